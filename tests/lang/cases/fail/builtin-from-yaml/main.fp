result = from-yaml("""
  a: 1
  a: 2
  """)
