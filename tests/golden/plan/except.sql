SELECT origin FROM flights EXCEPT SELECT iata FROM airports
