name = "x"
result = ["""
  one
    two ${name}
  three
  """, """beside
  it""", """
  "quotes" and \"""
  $NAME \${not}
  """, """""", """
    deep
  shallow
  """]
