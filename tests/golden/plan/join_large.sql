SELECT l.origin, sum(b.paid) FROM bookings b JOIN legs l ON b.flight_id = l.flight_id WHERE l.minutes > 60 AND b.seat < 10 GROUP BY l.origin ORDER BY 2 DESC LIMIT 5
