SELECT f.carrier, c.code AS carrier FROM flights f JOIN carriers c ON f.carrier = c.code ORDER BY 1, 2 LIMIT 2
