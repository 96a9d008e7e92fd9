"""Random projects with package sets, and random edits of their files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

HELPER = """
suffix = "%s"
made({ name, libs = [], more = "", split = false }) =
  let d = derivation {
    kind = "exec"
    name
    libs = [l.out for l in libs]
    outputs = if split then ["out", "dev"] else ["out"]
    more = "${more}${suffix}"
  }
    devel = if split then { dev = d.dev } else {}
  in { type = "derivation", version = "v-${more}", out = d.out, ...devel, name, libs, more }
"""
# What is asked of every set: outputs, the same of libraries, fields that are not remembered, and changed members.
QUESTION = """
let
  project = import("./fpack.fp")
  of(p) =
    if type(p) != "record" then type(p)
    else if !has(p, "out") then "record"
    else {
      out = "${p.out}"
      libs = map(p.libs, l => "${l.out} ${l.version}")
      more = p.more
      dev = if has(p, "dev") then "${p.dev}" else ""
      names = names(p)
      changed = "${p.with { more = "changed" }.out}"
      spread = { ...p, version = "2" }.version
    }
  sets = [project.set, project.hardened, project.layered, project.set.nest, project.over-debian]
in [{ ${n} = of(get(set, n)) for n in names(set) } for set in sets]
"""


class RandomProject:
    """A project with members that name each other, read files, and call helpers. Edits change one file each."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.chance = random.Random(seed)
        self.count = self.chance.randint(3, 7)
        self.edits = 0
        self.lock = "1"
        (directory / "pkgs/nest").mkdir(parents=True)
        (directory / "over").mkdir()
        (directory / "company").mkdir()
        (directory / "src").mkdir()
        self._write("helper.fp", HELPER % "h")
        self._write("data.toml", 'value = "data"\n')
        for i in range(self.count):
            self._write(f"src/s{i}/file", f"source {i}\n")
            self._member(i)
        for i in range(2):
            self._nested(i)
        self._write("pkgs/flags.fp", 'flags = "-O2"\n')
        self._write("pkgs/tool.fp", 'tool({ flags }) = x => "${x}${flags}"\n')
        self._write(
            "company/shop.fp", 'shop({ dash }) = import("../helper.fp").made { name = "shop", more = dash.version }\n'
        )
        self._over()
        self._root()

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _names(self, below: int) -> list[str]:
        """Return fields that a member names. Rarely, members name each other in a circle."""
        if self.chance.random() < 0.01:
            below = self.count
        found = [f"m{j}" for j in range(below) if self.chance.random() < 0.5]
        return [*found, *(n for n in ("flags", "tool", "nest") if self.chance.random() < 0.3)]

    def _member(self, i: int) -> None:
        names = [n for n in self._names(i) if n != f"m{i}"]
        libs = [n for n in names if n.startswith("m") and self.chance.random() < 0.7]
        more = [f'"{self.edits}"']
        if "flags" in names:
            more.append("flags")
        if "tool" in names:
            more.append('tool("t")')
        if self.chance.random() < 0.3:
            more.append("read-toml(../data.toml).value")
        if self.chance.random() < 0.3:
            more.append(f'"${{../src/s{i}}}"')
        if self.chance.random() < 0.2:
            more.append('join(names(read-dir(../src)), " ")')
        if self.chance.random() < 0.3:
            more.append("option")
            names.append(f'option = "{self.chance.choice("xy")}"')
        if "nest" in names and self.chance.random() < 0.7:
            libs.append("nest.n0")
        if self.chance.random() < 0.01:
            more.append('error("never", null)' if self.chance.random() < 0.5 else "unknown-name")
        text = f'name = "m{i}", libs = [{", ".join(libs)}], more = join([{", ".join(more)}], " ")'
        split = ", split = true" if self.chance.random() < 0.3 else ""
        self._write(
            f"pkgs/m{i}.fp", f'm{i}({{ {", ".join(names)} }}) = import("../helper.fp").made {{ {text}{split} }}\n'
        )

    def _nested(self, i: int) -> None:
        names = [f"m{j}" for j in range(self.count) if self.chance.random() < 0.2] + ([f"n{i + 1}"] if i == 0 else [])
        self._write(
            f"pkgs/nest/n{i}.fp",
            f'n{i}({{ {", ".join(names)} }}) = import("../../helper.fp").made'
            f' {{ name = "n{i}", libs = [{", ".join(names)}], more = "{self.edits}" }}\n',
        )

    def _over(self) -> None:
        i = self.chance.randrange(self.count)
        for path in (self.directory / "over").iterdir():
            path.unlink()
        self._write(
            f"over/m{i}.fp", f'm{i}({{ m{i}, flags }}) = m{i}.with {{ more = "over {self.edits} ${{flags}}" }}\n'
        )

    def _root(self) -> None:
        i = self.chance.randrange(self.count)
        layer = self.chance.choice(
            [
                f'{{ m{i}.more = "layer {self.edits}" }}',
                f'(old, new) => {{ m{i} = old.m{i}.with {{ more = "${{new.flags}} {self.edits}" }} }}',
                f'{{ flags = "-g {self.edits}" }}',
                f'{{ nest.n0.more = "layer {self.edits}" }}',
                '{ extra = "x" }',
            ]
        )
        self._write(
            "fpack.fp",
            "set = package-set(./pkgs)\n"
            "hardened = package-set(./over, set)\n"
            f"layered = set.extend({layer})\n"
            'over-debian = { shop = package-set(./company, import("fpack/debian").trixie).shop }\n',
        )

    def edit(self) -> str:
        """Change a file, or the lock. Return what was changed."""
        self.edits += 1
        edits: dict[str, Callable[[], None]] = {
            "member": lambda: self._member(self.chance.randrange(self.count)),
            "another member": lambda: self._member(self.chance.randrange(self.count)),
            "nested": lambda: self._nested(self.chance.randrange(2)),
            "helper": lambda: self._write("helper.fp", HELPER % f"h{self.edits}"),
            "data": lambda: self._write("data.toml", f'value = "data {self.edits}"\n'),
            "source": lambda: self._write(f"src/s{self.chance.randrange(self.count)}/file", f"edit {self.edits}\n"),
            "new source": lambda: self._write(f"src/extra{self.edits}/file", "x\n"),
            "flags": lambda: self._write("pkgs/flags.fp", f'flags = "-O{self.edits}"\n'),
            "layer": self._root,
            "over": self._over,
            "lock": lambda: setattr(self, "lock", str(self.edits)),
            "nothing": lambda: None,
        }
        name = self.chance.choice(list(edits))
        edits[name]()
        return name
