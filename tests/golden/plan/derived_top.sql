SELECT count(*) FROM (SELECT * FROM flights ORDER BY delay DESC LIMIT 100) WHERE origin = 'SFO'
