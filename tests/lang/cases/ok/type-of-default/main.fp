# A default is not checked against the type; what is given is.
f(x: string = null) = x
result = [f(), f("a")]
