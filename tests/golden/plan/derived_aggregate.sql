SELECT max(total) FROM (SELECT carrier, sum(delay) AS total FROM flights GROUP BY carrier) t
