SELECT c.name, count(*) FROM bookings b, legs l, carriers c WHERE b.flight_id = l.flight_id AND b.carrier = c.code GROUP BY c.name
