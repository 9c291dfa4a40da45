SELECT carrier FROM read_csv('flights.csv', delim = '|') WHERE origin = 'SFO'
