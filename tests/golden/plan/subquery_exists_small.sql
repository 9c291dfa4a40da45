SELECT count(*) FROM flights f WHERE EXISTS (SELECT 1 FROM carriers c WHERE c.code = f.carrier)
