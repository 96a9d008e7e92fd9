result = [mod(7, 3), mod(-7, 3), mod(7, -3), floor(-2.5), ceil(-2.5), round(-2.5), round(2.4), to-float("1e3"), to-float(2)]
