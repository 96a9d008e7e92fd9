result = """
  abc
