# A file of helpers.
twice(x) = x * 2
