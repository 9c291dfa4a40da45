SELECT carier FROM flights
