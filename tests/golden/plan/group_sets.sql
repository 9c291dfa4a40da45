SELECT carrier, origin, count(*) FROM flights GROUP BY GROUPING SETS ((carrier), (origin), ())
