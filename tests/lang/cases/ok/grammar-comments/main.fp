# at the top
result = [ # after
  1, # one
  # alone
  2
] # at the end
# at the very end
