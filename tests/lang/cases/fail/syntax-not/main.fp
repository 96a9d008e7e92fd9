result = not true
