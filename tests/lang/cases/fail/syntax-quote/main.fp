result = 'abc'
