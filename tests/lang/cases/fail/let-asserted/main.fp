first(xs) = let found = get(xs, 0) in assert length(xs) > 0, "`first` needs an element" in found
result = first([])
