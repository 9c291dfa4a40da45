SELECT * FROM flights f FULL JOIN carriers c ON f.carrier = c.code
