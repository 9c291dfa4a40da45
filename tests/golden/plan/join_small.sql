SELECT c.name, sum(f.delay) FROM flights f JOIN carriers c ON f.carrier = c.code GROUP BY c.name
