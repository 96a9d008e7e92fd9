container({ name, tag }) = "${name}:${tag}"
variants = [container { name = "app", tag = "py${v}-${outer.name}" } for name, v in { full = "2", slim = "1" }]
fields = [{ name = "app", tag = "py${v}-${this.name}" }.with { name = "web" } for name, v in { full = "2" }]
x = 1
deep(x) = { x = 3, y = { x = 4, all = [this.x, outer.x, outer.outer.x, outer.outer.outer.x] } }
same({ name }) = { name = name, tag = "t-${name}" }
result = {
  variants, fields
  deep = deep(2).y.all
  call = { sum(n) = if n == 0 then 0 else n + this.sum(n - 1), twice(sum) = this.sum(sum) * 2 }.twice(3)
  loop = { n = 1, all = [this.n + n for n in [10, 20]] }.with { n = 2 }
  builtin = { text = "a", kind = type(outer.text), min = 1, least = outer.min(2, 3) }
  same = same({ name = "a" }).with { name = "b" }
  own-names = let this = { x = 5 }, outer = { x = 6 } in [this.x, outer.x]
  shadowed = let n = 1 in let n = 2, m = outer.n in [n, m]
  file = (x => { y = 2, z = this.y + x })(7).z
  nested = { outer = 1, a = 2, b = { c = this.a } }.b
}
