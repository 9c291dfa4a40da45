SELECT carrier, stddev(delay) FROM flights GROUP BY carrier
