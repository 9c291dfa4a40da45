SELECT count(*) FROM flights WHERE delay > (SELECT avg(delay) FROM flights)
