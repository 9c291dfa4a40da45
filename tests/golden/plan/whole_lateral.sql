SELECT count(*) FROM flights f, LATERAL (SELECT max(minutes) FROM legs l WHERE l.flight_id = f.delay) x
