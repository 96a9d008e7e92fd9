result = ceil(1e300)
