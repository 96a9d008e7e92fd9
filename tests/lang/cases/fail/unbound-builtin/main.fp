result = [1, 2] |> mpa(x => x + 1)
