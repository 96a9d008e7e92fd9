result = length(5)
