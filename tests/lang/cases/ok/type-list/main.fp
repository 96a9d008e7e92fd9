f(x: list) = length(x)
# The elements are not evaluated.
result = f([error("never")])
