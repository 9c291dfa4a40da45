SELECT f.origin, count(*) FROM flights f JOIN (SELECT carrier, avg(delay) AS a FROM flights GROUP BY carrier) m ON f.carrier = m.carrier WHERE f.delay > m.a GROUP BY f.origin
