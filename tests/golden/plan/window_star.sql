SELECT *, sum(delay) OVER (PARTITION BY origin, dest) AS s FROM flights
