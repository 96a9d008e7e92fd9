result = length(null)
