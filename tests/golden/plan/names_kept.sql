SELECT delay + 1, sum(delay), 'x' FROM flights GROUP BY ALL
