SELECT c.name, f.delay FROM carriers c LEFT JOIN flights f ON f.carrier = c.code
