SELECT delay, rank() OVER (ORDER BY delay) FROM flights WHERE origin = 'SFO'
