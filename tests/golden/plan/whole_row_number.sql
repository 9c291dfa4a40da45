SELECT row_number() OVER () FROM flights
