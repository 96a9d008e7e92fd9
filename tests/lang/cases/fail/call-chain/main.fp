inner(x) = x.name
middle(x) = [inner(x)]
outer(x) = head(middle(x))
result = {
  value = outer({ title = "t" })
}
