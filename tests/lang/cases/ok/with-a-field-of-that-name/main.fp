result = { with = x => x + 1 }.with(1)
