SELECT origin, avg(price), sum(price) FROM flights GROUP BY origin
