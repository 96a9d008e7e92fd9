greet(name: string) = "Hi ${name}"
result = {
  value = greet(5)
}
