SELECT carrier FROM flights WHERE delay > 100 UNION ALL SELECT code FROM carriers
