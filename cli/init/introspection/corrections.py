"""Correct an fpack.fp by what a build system said of its targets. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from fpack.cli.init.edits import PackageCall, ProjectText
from fpack.cli.init.go import is_ignored
from fpack.cli.init.guess import text as quoted
from fpack.cli.init.introspection.image_programs import Correction, add_image, fit_image
from fpack.cli.init.native.programs import main_program

from .targets import BuildTargets


def corrections(targets: BuildTargets, name: str) -> Iterator[Callable[[ProjectText], Correction | None]]:
    """Yield the changes of a file for the package of one of its fields, each to be made on the text of the last."""
    if targets.members:
        yield lambda text: _members(text, name, targets)
    if not targets.programs and targets.libraries:
        yield lambda text: fit_image(text, name, [], lambda path: False)
    elif targets.programs:
        yield lambda text: _image(text, name, targets)


def _image(text: ProjectText, name: str, targets: BuildTargets) -> Correction | None:
    """Return the text whose image runs a program that the build system installs."""
    call = _call(text, name)
    programs = _installed(call, targets, text) if call is not None else targets.programs
    if not programs:
        return None
    return fit_image(text, name, programs, lambda path: path in programs) or add_image(text, name, programs)


def _members(text: ProjectText, name: str, targets: BuildTargets) -> Correction | None:
    """Return the text that builds packages or crates which have programs, if it builds none of these."""
    call = _call(text, name)
    if call is None or _installed(call, targets, text):
        return None
    if call.function == "go":
        folders = [where for where, _ in targets.members if not is_ignored(where)]
        words = ["." if where == "." else f"./{where}" for where in folders]
        if not words:
            return None
        value = f"[{', '.join(map(quoted, words))}]"
        return Correction(
            text.with_value(call, "packages", value), "packages", f"the programs are in {', '.join(words)}"
        )
    program = main_program([program for _, program in targets.members], name)
    where = next(where for where, own in targets.members if own == program)
    after = text.with_value(call, "crate", quoted(where))
    return Correction(after, "crate", f"the program {program} is in {where}")


def _installed(call: PackageCall, targets: BuildTargets, text: ProjectText) -> Sequence[str]:
    """Return the paths of the programs of the packages or crates that a call names; all, if it names none."""
    if not targets.members:
        return targets.programs
    field = "packages" if call.function == "go" else "crate"
    named = text.strings(call, field)
    if named is None:
        return targets.programs  # it is computed
    return [
        f"bin/{program}" for where, program in targets.members if any(_covers(word, where) for word in named or ["."])
    ]


def _covers(word: str, where: str) -> bool:
    """Return whether a pattern such as `./cmd/...` means a directory."""
    word = re.sub(r"^\./", "", word).rstrip("/") or "."
    if word == "...":
        return True
    if word.endswith("/..."):
        return where == word[:-4] or where.startswith(word[:-3])
    return word == where


def _call(text: ProjectText, name: str) -> PackageCall | None:
    return next((call for call in text.calls() if call.attribute == name), None)
