"""Define the builtins for derivations, and for the packages of the library that have them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from fpack.lang.runtime.argument_checks import list_of, record_of, strings_of
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.operators import field
from fpack.lang.runtime.records.call_layers import declare_derivation
from fpack.lang.runtime.values import MISSING, Record, Thunk, Value, evaluated, force


def functions(deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtins by name."""
    return {**_of_derivations(deriver), **_of_packages(deriver)}


def _of_derivations(deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtins that make derivations, and tell facts of them."""

    def mentions(x: Value, /) -> Value:
        """mentions(x): Return the paths of derivations in the strings of a value, sorted.

        mentions("no path") == []
        """
        return deriver.references(x)

    def inputs(x: Value, /) -> Value:
        """inputs(drv): Return the paths of the derivations that a derivation is built from, sorted.

        inputs(text("a", "no path")) == []
        """
        return deriver.inputs(x)

    def is_executable(x: Value, /) -> Value:
        """is-executable(file): Return true if a path, or a derivation of one file, is executable.

        is-executable(text("a", "#!/bin/sh", executable = true))
        """
        return deriver.is_executable(evaluated(x))

    def derivation_of(x: Value, /) -> Value:
        """derivation-of(x): Return the derivation that a path, or a string with the path of an output, stands for.
        Of the output of a package, `release` and `built-with` are those of its tools and libraries.

            derivation-of("${text("a", "no path")}").name == "a"
        """
        return deriver.derivation_of(evaluated(x))

    def derivation(r: Value, /) -> Value:
        """derivation { kind, name, ... }: Describe a build. All fields except kind, name, candidates and outputs
        are arguments of the kind, and so are the fields of `args`. The result has a field for each output.

            derivation { kind = "text", name = "a", text = "" }.type == "derivation"
        """
        r = evaluated(r)
        made = deriver.derive(r)
        made.origin = (derivation, r, ())
        return made

    def derive(r: dict[str, Value]) -> Value:
        made = deriver.derive_evaluated(r)
        made.origin = (derivation, r, ())
        return made

    declare_derivation(derivation)  # type: ignore[arg-type]
    return {
        "mentions": mentions,
        "inputs": inputs,
        "is-executable": is_executable,
        "derivation-of": derivation_of,
        "derivation": derivation,
        ".derive": derive,
    }


def _of_packages(deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtin that the library's functions for packages use."""

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
        built, outs, debian = _reached(strings_of(fields), list_of(packages), text)
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


def _reached(
    names: list[str], level: list[Value], text: Callable[[Value], str]
) -> tuple[list[Value], list[str], list[Value]]:
    """Return (built packages, paths of their outputs `out`, other packages): those of a level and below it.

    names: the fields of built packages that list further packages.
    """
    built: list[Value] = []
    outs: list[str] = []
    debian: list[Value] = []
    ids: set[int] = set()
    paths: set[str] = set()
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
    return built, outs, debian
