SELECT f FROM flights f
