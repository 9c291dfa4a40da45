WITH t AS (SELECT carrier, sum(delay) AS s FROM flights GROUP BY carrier) SELECT a.carrier FROM t a JOIN t b ON a.carrier = b.carrier WHERE a.s > b.s
