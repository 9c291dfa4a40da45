SELECT random(), carrier FROM flights
