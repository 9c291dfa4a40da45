SELECT d FROM (SELECT delay AS d, origin FROM flights WHERE delay > 0) x WHERE origin = 'SFO'
