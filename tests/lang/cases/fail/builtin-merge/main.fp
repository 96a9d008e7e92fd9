result = merge({ a = 1 }, [1])
