SUMMARIZE flights
