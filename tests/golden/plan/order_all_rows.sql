SELECT origin, delay FROM flights WHERE delay > 500 ORDER BY 2, origin
