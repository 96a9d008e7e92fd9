result = from-toml("""
  [tool]
  name = x
  """)
