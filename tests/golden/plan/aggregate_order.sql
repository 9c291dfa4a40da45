SELECT carrier FROM flights GROUP BY carrier ORDER BY sum(delay) / count(*) DESC LIMIT 4
