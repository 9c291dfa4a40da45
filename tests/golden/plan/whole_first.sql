SELECT carrier, first(delay) FROM flights GROUP BY carrier
