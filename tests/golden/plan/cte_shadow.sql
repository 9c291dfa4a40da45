WITH flights AS (SELECT * FROM flights WHERE delay > 60) SELECT count(*) FROM flights
