SELECT flight_id, minutes FROM legs JOIN bookings USING (flight_id) WHERE seat = 1
