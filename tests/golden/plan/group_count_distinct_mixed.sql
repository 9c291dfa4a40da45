SELECT carrier, count(DISTINCT dest), sum(delay) FROM flights GROUP BY carrier
