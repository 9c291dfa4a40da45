SELECT count(*) FROM flights f SEMI JOIN carriers c ON f.carrier = c.code
