"""Write graphs of derivations, in fpack's language and in Nix's, with the same meaning.

Each derivation has five inputs and ten variables. `explicit` writes a definition for every package, in files that
import each other; in the graph of `computed`, a function of a number returns the package.
"""

from __future__ import annotations

import random
from pathlib import Path
from string import Template

PER_FILE = 500  # packages in a file

_MAKE = {
    "fp": """mk({ pname, version, deps = [], env = {}, script }) = derivation {
  kind = "shell"
  name = "${pname}-${version}"
  system = "x86_64-linux"
  builder = "/bin/sh"
  arguments = ["-c", script]
  buildInputs = deps
  ...env
}
""",
    "nix": """{ pname, version, deps ? [], env ? {}, script }: derivation ({
  name = "${pname}-${version}";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" script ];
  buildInputs = deps;
} // env)
""",
}

_ENV = Template("""E0 = "https://example.org/src/$pn-$v.tar.gz"$end
    E1 = "$token"$end
    E2 = "-O2 -g -pipe -Wall"$end
    E3 = "--prefix=/usr --with-$pn"$end
    E4 = "-I$first/include"$end
    E5 = "-L$last/lib -l$pn"$end
    E6 = "$first/bin:$last/bin"$end
    E7 = "$number"$end
    E8 = "maintainer$person@example.org"$end
    E9 = "GPL-3.0-or-later"$end""")

_SCRIPT = Template("""
    # build $pn
    mkdir -p $$out/bin
    for d in $$buildInputs; do echo $$d >> $$out/deps; done
    export PATH=$first/bin
    ./configure --prefix=$$out --with-x=$last
    echo "$pn $v" > $$out/bin/$pn
  """)

_FP = Template("""$pn = mk {
  pname = "$pn"
  version = "$v"
  deps = [$deps]
  env = {
    $env
  }
  script = \"\"\"$script\"\"\"
}
""")

_NIX = Template("""$pn = mk {
  pname = "$pn";
  version = "$v";
  deps = [ $deps ];
  env = {
    $env
  };
  script = ''$script'';
};
""")


def explicit(folder: Path, count: int) -> None:
    """Write `count` packages into `folder`; `index.fp` and `index.nix` have the list of them all."""
    folder.mkdir(parents=True)
    for language, text in _MAKE.items():
        (folder / f"make.{language}").write_text(text)
    (folder / "fpack.fp").write_text("# The project's directory is this one.\n")
    chance = random.Random(count)
    files = range(0, count, PER_FILE)
    for start in files:
        numbers = range(start, min(start + PER_FILE, count))
        fp, nix, used = [], [], set()
        for i in numbers:
            deps = sorted({chance.randrange(i) for _ in range(5)}) if i else []
            used.update(d // PER_FILE for d in deps)
            shown = [f"p{d}" if d >= start else f"f{d // PER_FILE}.p{d}" for d in deps]
            first, last = ("${" + d + "}" for d in (shown[0], shown[-1])) if shown else ("/none", "/none")
            values = {
                "pn": f"p{i}",
                "v": f"{i % 7}.{i % 13}.{i % 5}",
                "first": first,
                "last": last,
                "token": f"{chance.getrandbits(128):032x}",
                "person": chance.randrange(300),
            }
            script = _SCRIPT.substitute(values)
            fp.append(
                _FP.substitute(
                    values,
                    deps=", ".join(shown),
                    env=_ENV.substitute(values, end="", number="${1 + " + f"{i}}}"),
                    script=script,
                )
            )
            nix.append(
                _NIX.substitute(
                    values,
                    deps=" ".join(shown),
                    env=_ENV.substitute(values, end=";", number="${toString (1 + " + f"{i})}}"),
                    script=script,
                )
            )
        others = sorted(used - {start // PER_FILE})
        names = [f"p{i}" for i in numbers]
        here = start // PER_FILE
        (folder / f"g{here}.fp").write_text(
            'mk = import("./make.fp").mk\n'
            + "".join(f'f{n} = import("./g{n}.fp")\n' for n in others)
            + "".join(fp)
            + f"every = [{', '.join(names)}]\n"
        )
        (folder / f"g{here}.nix").write_text(
            "let\nmk = import ./make.nix;\n"
            + "".join(f"f{n} = import ./g{n}.nix;\n" for n in others)
            + "in rec {\n"
            + "".join(nix)
            + f"every = [ {' '.join(names)} ];\n}}\n"
        )
    numbers = range(len(files))
    every = ", ".join(f'...import("./g{n}.fp").every' for n in numbers)
    (folder / "index.fp").write_text(f"every = [{every}]\n")
    (folder / "index.nix").write_text(" ++ ".join(f"(import ./g{n}.nix).every" for n in numbers) + "\n")


_COMPUTED_FP = Template("""mk = import("./make.fp").mk
pick(i, k) = let a = i * (k * 7919 + 104729) + k * 31 in get(every, a - a / i * i)
package(i) =
  let
    pn = "p$${i}"
    v = "$${i / 7}.$${i / 13}.1"
    deps = if i == 0 then [] else map([1, 2, 3, 4, 5], k => pick(i, k))
    first = if i == 0 then "/none" else get(deps, 0)
    last = if i == 0 then "/none" else get(deps, 4)
  in mk {
    pname = pn
    version = v
    deps
    env = {
      $env
    }
    script = \"\"\"$script\"\"\"
  }
every = map(range($count), package)
""")

_COMPUTED_NIX = Template("""let
mk = import ./make.nix;
ts = builtins.toString;
pick = i: k: let a = i * (k * 7919 + 104729) + k * 31; in builtins.elemAt every (a - (a / i) * i);
package = i:
  let
    pn = "p$${ts i}";
    v = "$${ts (i / 7)}.$${ts (i / 13)}.1";
    deps = if i == 0 then [] else map (k: pick i k) [ 1 2 3 4 5 ];
    first = if i == 0 then "/none" else builtins.elemAt deps 0;
    last = if i == 0 then "/none" else builtins.elemAt deps 4;
  in mk {
    pname = pn;
    version = v;
    deps = deps;
    env = {
      $env
    };
    script = ''$script'';
  };
every = builtins.genList package $count;
in every
""")


def computed(folder: Path, count: int) -> None:
    """Write a program that makes `count` packages into `folder`: `index.fp` and `index.nix`."""
    folder.mkdir(parents=True)
    for language, text in _MAKE.items():
        (folder / f"make.{language}").write_text(text)
    (folder / "fpack.fp").write_text("# The project's directory is this one.\n")
    values = {
        "pn": "${pn}",
        "v": "${v}",
        "first": "${first}",
        "last": "${last}",
        "token": "0123456789abcdef${pn}",
    }
    script = _SCRIPT.substitute(values)
    for language, template, end, number, person in (
        ("fp", _COMPUTED_FP, "", "${1 + i}", "${i / 300}"),
        ("nix", _COMPUTED_NIX, ";", "${ts (1 + i)}", "${ts (i / 300)}"),
    ):
        env = _ENV.substitute(values, end=end, number=number, person=person)
        (folder / f"index.{language}").write_text(template.substitute(count=count, env=env, script=script))
