SELECT city, count(*) FROM flights JOIN airports ON origin = iata LEFT JOIN carriers ON carrier = code GROUP BY ALL
