SELECT carrier, origin, count(*) AS n FROM flights GROUP BY ALL ORDER BY ALL
