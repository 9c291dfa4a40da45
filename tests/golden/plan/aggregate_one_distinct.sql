SELECT count(DISTINCT dest) AS n FROM flights
