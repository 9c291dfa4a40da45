PIVOT flights ON carrier IN ('AA', 'UA') USING sum(delay) GROUP BY origin
