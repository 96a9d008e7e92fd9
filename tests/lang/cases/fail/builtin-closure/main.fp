result = closure([1], n => n + 1)
