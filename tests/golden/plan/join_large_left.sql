SELECT count(*), count(l.origin) FROM bookings b LEFT JOIN legs l ON b.flight_id = l.flight_id AND l.minutes > 60
