contaner = contaner { name = "web" }
result = contaner
