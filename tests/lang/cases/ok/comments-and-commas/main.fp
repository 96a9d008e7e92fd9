# A comment
result = [ # one more
  1, # after an element
  2,
]
other = { a = 1, b = 2,
  c = 3
  # the end
}
