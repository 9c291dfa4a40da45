SELECT origin FROM flights ORDER BY delay LIMIT 1%
