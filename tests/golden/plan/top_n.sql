SELECT origin, delay FROM flights ORDER BY delay DESC NULLS LAST LIMIT 10
