result = { lazy = length(map([1, error("never")], x => x)), doubled = [1, 2] |> map(x => x * 2), builtin = map(["a"], upper) }
