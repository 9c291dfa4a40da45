SELECT quantile_cont(delay, 0.9) FROM flights
