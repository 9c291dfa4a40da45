SELECT carrier, count(DISTINCT dest) FROM flights GROUP BY carrier
