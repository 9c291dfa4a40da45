SELECT name, count(*) FROM flights, carriers WHERE carrier = code AND country = 'US' GROUP BY name
