SELECT carrier, string_agg(dest, ',' ORDER BY distance, dest) FROM flights GROUP BY carrier
