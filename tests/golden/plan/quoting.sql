SELECT "FlightDate" AS "a ""b""", count(*) AS "select" FROM 'data/flights.parquet' AS "My Flights" WHERE "My Flights".carrier = 'it''s' GROUP BY 1
