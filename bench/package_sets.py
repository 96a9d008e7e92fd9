"""Write sets of packages that are linked with each other's libraries, in fpack's language and Nix's, with one meaning.

Each package is linked with all libraries that its libraries are linked with. The packages lie in ten layers; with 1,000
packages, the mean closure has about 118 libraries.
"""

from __future__ import annotations

import random
from pathlib import Path

LAYERS = 10

_NIX = """let
  join = builtins.concatStringsSep;
  root = derivation { name = "build-tools"; system = "x86_64-linux"; builder = "/bin/sh"; };
  at = p: p.dev or p.out;
  node = p: { key = p.outPath; inherit p; };
  make = { name, version, libs ? [ ], outputs ? [ "out" ], build, install }:
    let
      linked = map (e: e.p) (builtins.genericClosure {
        startSet = map node libs;
        operator = e: map node e.p.libs;
      });
      joined = f: join ":" (map f linked);
      made = derivation ({
        name = "${name}-${version}";
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [ "-c" (join "\\n" [ build install ]) ];
        inherit root outputs;
      } // (if libs == [ ] then { } else {
        PATH = joined (p: "${at p}/bin") + ":/usr/local/bin:/usr/bin:/bin";
        CPATH = joined (p: "${at p}/include");
        LIBRARY_PATH = joined (p: "${p.out}/lib");
        PKG_CONFIG_PATH = joined (p: "${at p}/lib/pkgconfig:${at p}/share/pkgconfig");
        CMAKE_PREFIX_PATH = joined (p: if p ? dev then "${p.dev}:${p.out}" else "${p.out}");
        LDFLAGS = join " " (map (p: "-L${p.out}/lib -Wl,-rpath,${p.out}/lib") linked);
      }));
    in made // { inherit name version libs; };
"""


def graph(count: int) -> list[list[int]]:
    """Return the libraries of each package: most from the layer below, and some from any layer below it."""
    chance = random.Random(7)
    size = count // LAYERS
    found: list[list[int]] = []
    for i in range(count):
        layer = i // size
        libs = {
            chance.randrange((layer - 1) * size, layer * size)
            if chance.random() < 0.7
            else chance.randrange(layer * size)
            for _ in range(chance.randint(1, 5) if layer else 0)
        }
        found.append(sorted(libs))
    return found


def closures(libs: list[list[int]]) -> int:
    """Return the sum of the sizes of all closures."""
    found: list[set[int]] = []
    for direct in libs:
        found.append(set(direct).union(*(found[d] for d in direct)))
    return sum(map(len, found))


def linked(folder: Path, count: int) -> None:
    """Write a set of `count` packages in one file: `index.fp` and `index.nix`."""
    folder.mkdir(parents=True)
    (folder / "fpack.fp").write_text("# The project's directory is this one.\n")
    fp, nix = [], [_NIX]
    for i, libs in enumerate(graph(count)):
        fp.append(_package(i, [f"p{d}" for d in libs]))
        split = 'outputs = [ "out" "dev" ]; ' if i % 4 == 0 else ""
        listed = " ".join(f"p{d}" for d in libs)
        nix.append(
            f'  p{i} = make {{ name = "p{i}"; version = "{i % 7}.{i % 13}"; libs = [ {listed} ]; {split}'
            f'build = "make -j$CORES WITH={i}"; install = "make install PREFIX=$out"; }};\n'
        )
    every = [f"p{i}" for i in range(count)]
    (folder / "index.fp").write_text("".join(fp) + f"every = [{', '.join(every)}]\n")
    (folder / "index.nix").write_text("".join(nix) + f"in [ {' '.join(every)} ]\n")


def files(folder: Path, count: int) -> None:
    """Write the same set with a file for each package; `index.fp` has the list of them all."""
    folder.mkdir(parents=True)
    (folder / "fpack.fp").write_text("# The project's directory is this one.\n")
    for i, libs in enumerate(graph(count)):
        imports = [f'p{d} = import("./p{d}.fp").p{d}\n' for d in libs]
        (folder / f"p{i}.fp").write_text("".join(imports) + _package(i, [f"p{d}" for d in libs]))
    every = ", ".join(f'import("./p{i}.fp").p{i}' for i in range(count))
    (folder / "index.fp").write_text(f'every = [{every}]\none = [import("./p0.fp").p0]\n')


def _package(i: int, libs: list[str]) -> str:
    split = '  outputs = ["out", "dev"]\n' if i % 4 == 0 else ""
    return (
        f'p{i} = make {{\n  name = "p{i}"\n  version = "{i % 7}.{i % 13}"\n  libs = [{", ".join(libs)}]\n{split}'
        f'  build = "make -j$CORES WITH={i}"\n  install = "make install PREFIX=$out"\n}}\n'
    )


def members(folder: Path, count: int) -> None:
    """Write the same set as the members of a `package-set`; `index.fp` has the list of them all."""
    (folder / "pkgs").mkdir(parents=True)
    (folder / "fpack.fp").write_text("# The project's directory is this one.\n")
    for i, libs in enumerate(graph(count)):
        named = ", ".join(f"p{d}" for d in libs)
        _, _, made = _package(i, [f"p{d}" for d in libs]).partition(" = ")
        (folder / "pkgs" / f"p{i}.fp").write_text(f"p{i}({{ {named} }}) = {made}")
    (folder / "index.fp").write_text("set = package-set(./pkgs)\nevery = [get(set, n) for n in names(set)]\n")


def edit_member(folder: Path, name: str, number: int) -> None:
    """Change the build of a member."""
    edit_file(folder / "pkgs" / f"{name}.fp", number)


def edit(folder: Path, number: int) -> None:
    """Change the build of a package in the middle of a set of files."""
    edit_file(folder / "p500.fp", number)


def edit_file(file: Path, number: int) -> None:
    """Change the build of the package of a file."""
    text = file.read_text()
    file.write_text(text[: text.index("  build = ")] + f'  build = "make EDITED={number}"\n}}\n')
