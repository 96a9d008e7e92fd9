# A function that makes a derivation of its record evaluates it all; others leave what they do not use alone.
all({ name, deps = [], env = {} }) =
  derivation { kind = "text", name, text = join(map(deps, d => "${d}"), " "), ...env }
some({ name, deps = [], env = {} }) = { name, count = length(deps) }
choose({ name, env = {} }) = if name == "none" then { name } else derivation { kind = "text", name, ...env }
wrap(f, n) =
  let
    name = "${n}-x"
    never = error("this is not needed", "never")
    text = "of ${name}"
    both = [never, text]
  in f { name, env = { text, unused = get(both, 1) } }
bad = error("nobody asks for this", "bad")
hello = all { name = "hello", deps = [1 + 1, "b"], env = { a = "${1}", b = ["x${2}", { c = "${3}" }] } }
result = {
  lazy-list = (some { name = "a", deps = [bad, bad, error("no", "x")] }).count
  lazy-record = (some { name = "a${1}", env = { x = bad, y = { z = bad } } }).name
  either = (choose { name = "none", env = { x = bad } }).name
  made = hello.name
  changed = (hello.with { name = "other", env = {} }).name
  repaired = (some { name = "b", deps = bad }).with { deps = [1] }.count
  within = (wrap(all, "n")).name
  without = (wrap(some, "n")).name
  twice = hello.out == (all { name = "hello", deps = [2, "b"], env = { a = "1", b = ["x2", { c = "3" }] } }).out
  renamed = (all { name = "hello", env = { name = "${1 + 1}", kind = "te${"x"}t" } }).name
  itself = let list = get([list, [1]], 1) in list
}
