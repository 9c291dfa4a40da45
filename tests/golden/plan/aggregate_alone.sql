SELECT count(*), sum(delay), avg(time), min(carrier) FROM flights
