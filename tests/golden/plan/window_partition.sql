SELECT carrier, delay, rank() OVER (PARTITION BY carrier ORDER BY delay DESC) AS r FROM flights QUALIFY r <= 3
