result = [
  match("libc6-2.41", "([[:alpha:]]+)([[:digit:]]+)-([[:digit:].]+)"),
  find-all("a b\tc", "[^[:space:]]"),
  match("[", "[[]"),
]
