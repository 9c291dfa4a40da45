SELECT DISTINCT ON (carrier) carrier, delay FROM flights ORDER BY carrier, delay
