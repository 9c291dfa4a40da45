SELECT DISTINCT carrier FROM flights ORDER BY carrier LIMIT 5
