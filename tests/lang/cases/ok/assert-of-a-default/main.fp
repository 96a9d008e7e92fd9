# An assertion holds for the final fields: a change of a wrong default is in time.
record = { size = 0, assert size > 0, "a size is positive", twice = size * 2 }
made({ size = 0 }) = assert size > 0, "a size is positive" in { twice = size * 2 }
late({ size = 0 }) = let half = size / 2 in assert half > 0, "large" in { half }
file = import("./limits.fp")
result = [
  record.with { size = 2 }.twice,
  (made {}).with { size = 3 }.twice,
  (late {}).with { size = 8 }.half,
  file.with { memory = 10 }.swap,
  { ...record, size = 4 }.twice,
]
