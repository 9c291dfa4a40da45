SELECT count(DISTINCT dest) + 1 AS n, sum(DISTINCT dest.len()) FROM flights
