WITH late AS (SELECT * FROM flights WHERE delay > 60) SELECT carrier, count(*) FROM late GROUP BY carrier
