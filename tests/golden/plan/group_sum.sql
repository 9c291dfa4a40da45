SELECT carrier, sum(delay) AS total, count(*) FROM flights GROUP BY carrier
