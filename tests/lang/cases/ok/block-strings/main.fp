who = "world"
result = {
  a = """
    first
      second ${who}

    last
  """
  b = """one line"""
  c = """
    ends here"""
  d = """
    a "quoted" word and \"\"\" three
    ${who}
      ${who}
  """
  e = """
\ttab
  """
}
