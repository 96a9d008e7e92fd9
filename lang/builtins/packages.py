"""Define the builtins that the library's functions for packages use."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from fpack.lang.runtime.argument_checks import list_of, record_of, strings_of
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.operators import field
from fpack.lang.runtime.values import MISSING, Record, Thunk, Value, evaluated, force


class PackageBuiltins:
    """The builtins that need the placeholders of packages."""

    def __init__(self, deriver: Deriver) -> None:
        self.deriver = deriver

    def functions(self) -> dict[str, Callable[..., Value]]:
        """Return the builtins by name."""
        deriver = self.deriver

        def text(value: Value) -> str:
            value = evaluated(value)
            return value if value.__class__ is str else deriver.text(value)

        def with_their(packages: Value, fields: Value, /) -> Value:
            """packages-with(packages, fields): Return packages, then those that fields of built packages list, and so
            on, level by level, as { built, debian, at, out, both, releases }. A built package has an output; `built`
            are the first ones of each output path, `at` and `out` the paths of their outputs `dev` (else `out`) and
            `out`, `both` each of these once; `debian` has the other packages, perhaps more than once; `releases` has
            the releases of all.

            packages-with([], ["libs"]).built == []
            """
            built: list[Value] = []
            debian: list[Value] = []
            outs: list[str] = []
            ids: set[int] = set()
            paths: set[str] = set()
            names = strings_of(fields)
            level = list_of(packages)
            while level:
                further: list[Value] = []
                for p in level:
                    if p.__class__ is Thunk:
                        p = force(p)
                    if id(p) in ids:
                        continue
                    ids.add(id(p))  # unique: its list or thunk keeps a package, and a thunk its value
                    if p.__class__ is not Record:
                        p = record_of(p)
                    out = p.get("out", MISSING)
                    if out is MISSING:
                        debian.append(p)
                        continue
                    if out.__class__ is not str:
                        out = text(out)
                    if out in paths:
                        continue
                    paths.add(out)
                    built.append(p)
                    outs.append(out)
                    for name in names:
                        more = p.get(name, [])
                        further += more if more.__class__ is list else list_of(more)
                level = further

            at = Thunk(lambda: [text(p["dev"]) if "dev" in p else out for p, out in zip(built, outs, strict=True)])

            def both() -> Value:
                return list(dict.fromkeys(chain.from_iterable(zip(evaluated(at), outs, strict=True))))

            def releases() -> Value:
                of_built = [evaluated(p["release"]) for p in built if "release" in p]
                return list(dict.fromkeys([*(field(p, "release") for p in debian), *of_built]))

            return {
                "built": built,
                "debian": debian,
                "out": outs,
                "at": at,
                "both": Thunk(both),
                "releases": Thunk(releases),
            }

        return {"packages-with": with_their}
