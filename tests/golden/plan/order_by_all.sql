SELECT origin, delay FROM flights ORDER BY ALL DESC LIMIT 5
