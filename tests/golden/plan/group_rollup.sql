SELECT carrier, origin, sum(delay), grouping(origin) FROM flights GROUP BY ROLLUP (carrier, origin)
