SELECT flights.carrier FROM 'data/flights.parquet'
