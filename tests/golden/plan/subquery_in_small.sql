SELECT count(*) FROM flights WHERE carrier IN (SELECT code FROM carriers WHERE country = 'US')
