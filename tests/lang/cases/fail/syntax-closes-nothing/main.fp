result = 1 )
