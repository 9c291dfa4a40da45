SELECT carrier, arg_max(dest, delay) FROM flights GROUP BY carrier
