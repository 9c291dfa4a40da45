SELECT carrier, list(delay) FROM flights GROUP BY carrier
