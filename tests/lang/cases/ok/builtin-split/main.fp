result = [split("a,b,,c", ","), split("abc", ","), split("", ","), split("a--b", "--")]
