wget({}) = 1
