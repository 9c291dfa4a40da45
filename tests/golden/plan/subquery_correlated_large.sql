SELECT count(*) FROM bookings b WHERE EXISTS (SELECT 1 FROM legs l WHERE l.flight_id = b.flight_id)
