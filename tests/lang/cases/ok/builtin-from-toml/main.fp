result = from-toml("""
  title = "x"
  when = 2024-05-01
  [tool.fpack]
  tags = ["a", 1, 2.5, true]
  """)
