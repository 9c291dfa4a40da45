SELECT carrier, median(delay), count(*) FROM flights WHERE origin = 'SFO' GROUP BY carrier
