SELECT year(FlightDate) AS y, month(FlightDate), max(delay) - min(delay) AS range FROM flights GROUP BY y, 2
