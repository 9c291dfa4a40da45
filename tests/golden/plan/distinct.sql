SELECT DISTINCT carrier, origin FROM flights
