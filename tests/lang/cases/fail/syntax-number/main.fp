result = 12abc
