SELECT carrier, sum(delay), rank() OVER (ORDER BY sum(delay) DESC) FROM flights GROUP BY carrier
