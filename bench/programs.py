"""Define programs that compute a number, each in fpack's language and in Nix's."""

from __future__ import annotations

import random
from typing import NamedTuple

# The size of the programs with overlays.
PACKAGES = 3000
LAYERS = 5
CHANGED = 600  # packages that each layer changes


class Program(NamedTuple):
    """One program: its text in fpack's language, whose field `result` is the number, and as an expression of Nix."""

    fp: str
    nix: str


def programs() -> dict[str, Program]:
    """Return all programs, by name."""
    return {
        "fib": Program(
            "result = let fib(n) = if n < 2 then n else fib(n - 1) + fib(n - 2) in fib(30)",
            "let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 30",
        ),
        "tak": Program(
            """result =
  let tak(x, y, z) = if y < x then tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) else z
  in tak(18, 9, 1)""",
            """let tak = x: y: z: if y < x then tak (tak (x - 1) y z) (tak (y - 1) z x) (tak (z - 1) x y) else z;
in tak 18 9 1""",
        ),
        "map+fold": Program(
            "result = range(1000000) |> map(x => x * 2) |> fold(0, (a, b) => a + b)",
            "builtins.foldl' (a: b: a + b) 0 (map (x: x * 2) (builtins.genList (x: x) 1000000))",
        ),
        "strings": Program(
            'result = length(join(map(range(1000000), x => "item-${x}-end"), ","))',
            'builtins.stringLength (builtins.concatStringsSep "," '
            '(map (x: "item-${toString x}-end") (builtins.genList (x: x) 1000000)))',
        ),
        "merges, growing": Program(
            'result = length(fold(range(8000), {}, (all, i) => { ...all, ${"k${i}"} = i }))',
            "builtins.length (builtins.attrNames (builtins.foldl' "
            '(all: i: all // { "k${toString i}" = i; }) {} (builtins.genList (x: x) 8000)))',
        ),
        "merges, small": Program(
            """result = fold(range(1000000), 0, (sum, i) =>
  sum + { ...{ a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10 }, ...{ x = i, y = 2 } }.x)""",
            """builtins.foldl' (sum: i:
  sum + ({ a = 1; b = 2; c = 3; d = 4; e = 5; f = 6; g = 7; h = 8; i = 9; j = 10; } // { x = i; y = 2; }).x
) 0 (builtins.genList (x: x) 1000000)""",
        ),
        "overlays": _overlays(again=False),
        "overlays, called again": _overlays(again=True),
        **_growing(),
    }


def _growing() -> dict[str, Program]:
    """Return programs in which a list, a set or a `let` grows.

    They take quadratic time if the time of a step depends on the size that was reached.
    """
    names = range(1, 10_000)
    levels = range(1, 2000)
    return {
        "append": Program(
            "result = length(fold(range(10000), [], (all, x) => [...all, { value = x }]))",
            "builtins.length (builtins.foldl' (all: x: all ++ [ { value = x; } ]) [] (builtins.genList (x: x) 10000))",
        ),
        "unique": Program(
            "result = length(unique(map(range(100000), x => x / 2)))",
            "builtins.length (builtins.genericClosure { operator = x: [ ]; "
            "startSet = builtins.genList (x: { key = x / 2; }) 100000; })",
        ),
        "closure": Program(
            "result = length(closure([1], n => if n > 100000 then [] else [n * 2, n * 2 + 1, n + 1]))",
            "builtins.length (builtins.genericClosure { startSet = [ { key = 1; } ]; operator = n: "
            "if n.key > 100000 then [ ] "
            "else [ { key = n.key * 2; } { key = n.key * 2 + 1; } { key = n.key + 1; } ]; })",
        ),
        "layers": Program(
            "set = fold(range(500), { n = 0, m = n + 1 }, (set, i) => "
            'set.extend((old, new) => { n = old.n + 1, ${"p${i}"} = new.n }))\nresult = set.m + set.p1',
            "let fix = f: let x = f x; in x;\n"
            "extends = f: base: self: let super = base self; in super // f self super;\n"
            'layer = set: i: extends (new: old: { n = old.n + 1; "p${toString i}" = new.n; }) set;\n'
            "set = fix (builtins.foldl' layer (self: { n = 0; m = self.n + 1; }) (builtins.genList (x: x) 500));\n"
            "in set.m + set.p1",
        ),
        "let, wide": Program(
            "f(x) = { value = x }\nresult = let\n  a0 = f(1)\n"
            + "".join(f"  a{i} = f(a{i - 1}.value + 1)\n" for i in names)
            + f"in a{names[-1]}.value\n",
            "let f = x: { value = x; }; a0 = f 1;\n"
            + "".join(f"  a{i} = f (a{i - 1}.value + 1);\n" for i in names)
            + f"in a{names[-1]}.value\n",
        ),
        "let, nested": Program(
            "f(x) = { value = x }\nresult =\n  let a0 = f(1) in\n"
            + "".join(f"  let a{i} = f(a{i - 1}.value + 1) in\n" for i in levels)
            + f"  a{levels[-1]}.value\n",
            "let f = x: { value = x; }; in let a0 = f 1; in\n"
            + "".join(f"  let a{i} = f (a{i - 1}.value + 1); in\n" for i in levels)
            + f"  a{levels[-1]}.value\n",
        ),
    }


def _overlays(again: bool) -> Program:
    """Return a program with a package set, a function of the finished set, and layers that change packages in it.

    again: a package is the result of a call with a record. To change a field of it is to call the function again; in
    Nix, a function `override` does that. Otherwise a package is plain data, and if a field changes, the fields that
    were computed from it stay as they are.
    """
    chance = random.Random(2)
    fp = [
        "fix(f) = let x = f(x) in x",
        "extends(layer, f) = self => let super = f(self) in { ...super, ...layer(self, super) }",
        "mk({ name, deps, flags, n }) = {" if again else "mk(name, deps, flags, n) = {",
        "  name, deps, flags, n",
        "  size = n + fold(deps, 0, (sum, d) => sum + d.n)",
        f"  override = x => mk{' { name, deps, flags, n = x }' if again else '(name, deps, flags, x)'}",
        '  desc = "${name}-${n}"',
        "}",
        "base(self) = {",
    ]
    nix = [
        "let",
        "fix = f: let x = f x; in x;",
        "extends = layer: f: self: let super = f self; in super // layer self super;",
        "mk = { name, deps, flags, n }@given: {" if again else "mk = name: deps: flags: n: {",
        "  inherit name deps flags n;",
        "  size = n + builtins.foldl' (sum: d: sum + d.n) 0 deps;",
        f"  override = {'new: mk (given // new)' if again else 'x: mk name deps flags x'};",
        '  desc = "${name}-${toString n}";',
        "};",
        "base = self: {",
    ]
    for i in range(PACKAGES):
        deps = [f"self.p{d}" for d in sorted({chance.randrange(i) for _ in range(4)})] if i else []
        number = f"self.p{max(0, i - 1)}.n + 1" if i else "1"
        listed, spaced = f"[{', '.join(deps)}]", f"[ {' '.join(deps)} ]"
        if again:
            fp.append(f'  p{i} = mk {{ name = "p{i}", deps = {listed}, n = {i}, flags = {{ a = {number}, b = "x" }} }}')
            nix.append(
                f'  p{i} = mk {{ name = "p{i}"; deps = {spaced}; n = {i}; flags = {{ a = {number}; b = "x"; }}; }};'
            )
        else:
            fp.append(f'  p{i} = mk("p{i}", {listed}, {{ a = {number}, b = "x" }}, {i})')
            nix.append(f'  p{i} = mk "p{i}" {spaced} {{ a = {number}; b = "x"; }} {i};')
    fp.append("}")
    nix.append("};")
    for layer in range(LAYERS):
        fp.append(f"layer{layer}(self, super) = {{")
        nix.append(f"layer{layer} = self: super: {{")
        for i in chance.sample(range(PACKAGES), CHANGED):
            other = f"self.p{i * 7 % PACKAGES}.desc"
            fp.append(f"  p{i} = {{ ...super.p{i}, n = super.p{i}.n + 1, extra{layer} = {other} }}")
            if again:
                again_called = f"super.p{i}.override {{ n = super.p{i}.n + 1; }}"
                changed = f"super.p{i} // {again_called} // {{ extra{layer} = {other}; }}"
            else:
                changed = f"super.p{i} // {{ n = super.p{i}.n + 1; extra{layer} = {other}; }}"
            nix.append(f"  p{i} = {changed};")
        fp.append("}")
        nix.append("};")
    whole_fp, whole_nix = "base", "base"
    for layer in range(LAYERS):
        whole_fp, whole_nix = f"extends(layer{layer}, {whole_fp})", f"(extends layer{layer} {whole_nix})"
    fp.append(f"all = fix({whole_fp})")
    fp.append(
        "result = fold(names(all), 0, (sum, k) => let p = get(all, k) in "
        "sum + p.size + length(p.desc) + p.flags.a + p.override(5).size)"
    )
    nix.append(f"all = fix {whole_nix};")
    five = "{ n = 5; }" if again else "5"
    nix.append(
        "in builtins.foldl' (sum: k: let p = all.${k}; in "
        f"sum + p.size + builtins.stringLength p.desc + p.flags.a + (p.override {five}).size) "
        "0 (builtins.attrNames all)"
    )
    return Program("\n".join(fp) + "\n", "\n".join(nix) + "\n")
