"""Fit the image of a built package to it: its program, and the interpreters of its scripts."""

from __future__ import annotations

import re
from pathlib import Path

from fpack.cli.init.edits import PackageCall
from fpack.cli.init.introspection.image_programs import entries, own_programs
from fpack.cli.init.introspection.image_programs import fit_image as image_correction
from fpack.cli.init.native.installed_scripts import INTERPRETERS, interpreter
from fpack.cli.init.native.terminal import DESCRIPTIONS, TERM, draws
from fpack.lang.syntax.tree import Node

from .changed_file import ChangedFile

_RELEASE = re.compile(r'import\(\s*"fpack/(?:debian|ubuntu)"\s*\)\.(\w+)')
# What the functions of the library add to an image with what they build.
_BROUGHT = {"node": ("node",), "php": ("php", "sh"), "ruby": ("ruby", "sh")}


def fit_image(file: ChangedFile, name: str, built: Path) -> None:
    """Let the image of a built package run a program that the package has; a package without one has no image."""
    programs = own_programs(built)
    # A compiled program is more likely the main one than a script.
    scripts = _scripts(built)
    ordered = [*(p for p in programs if p not in scripts), *(p for p in programs if p in scripts)]
    file.correct(image_correction(file.read(), name, ordered, lambda path: (built / path).exists()))


def add_interpreters(file: ChangedFile, built: Path) -> None:
    """Add to the image of a built package what runs its scripts."""
    text = file.read()
    found = text.container()
    release = _RELEASE.search(text.text)
    if found is None or release is None:
        return
    entry, record = found
    own = text.text[record.start : record.end]
    listed = [call for call in text.calls() if _is_listed(call, record, own)]
    brought = {interpreter for call in listed for interpreter in _BROUGHT.get(call.function, ())}
    for program, runs in sorted(_scripts(built).items()):
        if runs.startswith("python") and (built / "pyvenv.cfg").exists():
            continue  # an environment of Python brings its own
        if runs in brought:
            continue
        package = INTERPRETERS.get(runs)
        if package is None or re.search(rf"\.{re.escape(package)}\b", own):
            continue
        own += f".{package}"
        before = file.read()
        entry, record = before.container() or (entry, record)
        call = PackageCall(str(entry.name), "container", "", record)
        after = before.with_packages(call, "packages", [package], release[1])
        file.write(before, after, package, "packages", f"{program}, which {runs} runs")


def _is_listed(call: PackageCall, record: Node, own: str) -> bool:
    """Return whether an image has a built package. record: of the image. own: its text."""
    if record.start <= call.record.start < record.end:
        return True
    return bool(call.attribute) and re.search(rf"(?<![\w.-]){re.escape(call.attribute)}(?![\w-])", own) is not None


def add_terminal(file: ChangedFile, name: str, built: Path) -> None:
    """Let the image of a program that draws on a terminal name one."""
    from fpack.builders.payload import elf

    text = file.read()
    found = text.container()
    if found is None:
        return
    entry, record = found
    own = text.text[record.start : record.end]
    program = re.search(rf'entrypoint\s*=\s*\["\$\{{{re.escape(name)}\}}/(s?bin/[^/"]+)"', own)
    if program is None or re.search(r"\benv\s*=", own):
        return
    try:
        with open(built / program[1], "rb") as opened:
            facts = elf.facts(opened.read(elf.HEAD), str(built / program[1]))
    except OSError:
        return
    library = draws(facts.needed) if facts is not None else ""
    if library:
        call = PackageCall(str(entry.name), "container", "", record)
        after = text.with_value(call, "env", f'{{ TERM = "{TERM}" }}')
        release = _RELEASE.search(text.text)
        if release is not None:
            call = call._replace(record=(after.container() or found)[1])
            after = after.with_packages(call, "packages", [DESCRIPTIONS], release[1])
        why = f"{program[1]} draws on a terminal with {library}, so the image has TERM and descriptions of terminals"
        file.write(text, after, "", "env", why)


def _scripts(built: Path) -> dict[str, str]:
    """Return the scripts among the programs of a package, each with the name of its interpreter."""
    found = {}
    for folder in ("bin", "sbin"):
        for name in entries(built / folder):
            path = built / folder / name
            if path.is_symlink() or not path.is_file():
                continue
            with open(path, "rb") as file:
                runs = interpreter(file.read(256))
            if runs:
                found[f"{folder}/{name}"] = runs
    return found
