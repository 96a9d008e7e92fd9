result = match(12, "[0-9]+")
