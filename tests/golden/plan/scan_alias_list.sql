SELECT a.c FROM flights AS a(d, c)
