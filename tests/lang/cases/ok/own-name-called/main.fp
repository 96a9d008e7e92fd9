# A field that calls its own name calls what every file sees by it, be it a builtin or of the prelude.
text = text("greeting", "hello")
split = split("a,b", ",")
join = join(split, "-")
package = package({
  name = "one"
  version = "1"
}).with { version = "2" }
# A function sees itself, as ever, and what is in the call is the file's own.
length(list) = if list == [] then 0 else 1 + length(tail(list))
map = map([1, 2], x => x + length(split))
# So does every other call of such a name in the file, but where something nearer has it.
other = join(["c", "d"], join)
inner = { split = (a, b) => a + b, made = split("e", "f") }.made

result = { name = text.name or type(text), split, join, map, other, inner, version = package.version, number = length([5, 5, 5]) }
