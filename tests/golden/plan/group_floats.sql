SELECT time, count(*) FROM flights GROUP BY time
