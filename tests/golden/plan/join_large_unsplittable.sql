SELECT count(*) FROM bookings JOIN notes USING (flight_id)
