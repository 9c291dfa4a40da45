SELECT carrier, delay + 1 AS late FROM 'data/flights.parquet' WHERE delay > 60
