SELECT carrier FROM flights GROUP BY carrier HAVING sum(delay) > (SELECT count(*) FROM carriers)
