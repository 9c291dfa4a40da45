SELECT carrier AS c, count(*) AS n FROM flights GROUP BY c HAVING n > 5 AND c <> 'AA'
