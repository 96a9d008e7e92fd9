result = [...{ a = 1 }]
