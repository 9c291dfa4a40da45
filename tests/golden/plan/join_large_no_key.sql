SELECT count(*) FROM bookings b JOIN legs l ON b.flight_id < l.flight_id
