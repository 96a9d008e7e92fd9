result = "abc
