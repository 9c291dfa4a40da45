SELECT origin FROM flights ORDER BY delay + distance, 1 LIMIT 3 OFFSET 2
