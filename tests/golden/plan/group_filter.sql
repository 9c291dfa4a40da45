SELECT carrier, count(*) FILTER (WHERE delay > 0), sum(delay) FILTER (delay < 0) FROM flights GROUP BY carrier
