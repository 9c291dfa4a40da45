SELECT carrier, avg(delay) FROM flights WHERE distance > 100 GROUP BY 1 HAVING count(*) > 100 ORDER BY 2 DESC LIMIT 3
