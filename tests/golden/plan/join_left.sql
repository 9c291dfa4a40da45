SELECT f.carrier, c.name FROM flights f LEFT JOIN carriers c ON f.carrier = c.code
