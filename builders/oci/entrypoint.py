"""What an image runs: the program that its package suggests, and whether a program is in the image at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.path import STORE

from .image_fs import View, is_executable

_FOLDERS = ("usr/bin", "usr/sbin", "usr/games")
MAX_LISTED = 12


def find_entrypoint(package: str, extra: Mapping[str, Value], view: View) -> str:
    """The program of a package, absolute. extra: the root's, whose `programs` says what each package suggests.

    A package without programs, such as one that only depends on others, stands for those that it brought in, as long
    as they have one answer. BuildError lists what there is to choose from.
    """
    programs: Mapping[str, Value] = extra.get("programs", {})
    names = [package]
    own = programs.get(package, {})
    if not own.get("program") and not own.get("executables"):
        names = [s["package"] for s in extra.get("slices", ()) if s.get("by") == package] or names
    found = {programs[name]["program"] for name in names if programs.get(name, {}).get("program")}
    if not found:
        found = {f"/{f}/{package}" for f in _FOLDERS if is_executable(view.resolve(f"{f}/{package}"))}
    if len(found) == 1:
        return str(found.pop())
    choice = sorted(found) or sorted({e for name in names for e in programs.get(name, {}).get("executables", ())})
    shown = ", ".join(choice[:MAX_LISTED]) + (f" and {len(choice) - MAX_LISTED} more" if choice[MAX_LISTED:] else "")
    why = "it has no program in /usr/bin, /usr/sbin or /usr/games"
    if choice:
        why = f"it has {shown}" if names == [package] else f"it has no program, and what it depends on has {shown}"
    example = choice[0] if choice and names == [package] else "/usr/bin/PROGRAM"
    raise BuildError(
        f"What the package {package} should run is not clear",
        where=package,
        why=why,
        hint=f'in an fpack.fp, give the container an entrypoint, as in: entrypoint = ["{example}"]',
    )


def check_program(program: str, path: str, view: View, built: Callable[[str], Sequence[str]]) -> None:
    """BuildError unless `program` is an executable file of the image: at its absolute path, or in `path`, a PATH.

    built: gives the programs of a store path.
    A relative path with a slash depends on the working directory, and is not looked at.
    """
    if not program:
        raise BuildError("The program of an image is an empty string")
    if "/" not in program:
        folders = [folder.strip("/") for folder in path.split(":") if folder.startswith("/")]
        if any(is_executable(view.resolve(f"{folder}/{program}")) for folder in folders):
            return
        raise _absent(program, f"none of {path} has it", view, built)
    if not program.startswith("/"):
        return
    found = view.resolve(program)
    if found is None:
        raise _absent(program, "", view, built)
    if not is_executable(found):
        place, seen = found
        what = "a directory" if seen.kind == "d" else f"a file of mode {seen.mode:04o}"
        why = f"/{place} of {seen.source.label} is {what}"
        raise BuildError(f"The image cannot run {program}", where=program, why=why)


def _absent(program: str, why: str, view: View, built: Callable[[str], Sequence[str]]) -> BuildError:
    path = "/".join(program.split("/")[:4])
    if program.startswith(f"{STORE}/") and view.resolve(path):
        own = [each.removeprefix(f"{path}/") for each in built(path)]
        shown = ", ".join(own[:MAX_LISTED]) + (f" and {len(own) - MAX_LISTED} more" if own[MAX_LISTED:] else "")
        name = path.rpartition("/")[2].partition("-")[2]
        return BuildError(
            f"The image has no program {program}",
            where=program,
            why=f"{name} has {shown}" if own else f"{name} has no program in bin or sbin",
            hint=f"end that word of the container in /{own[0]}" if own else "what has no program needs no container",
        )
    there = list(view.executables(_FOLDERS))
    names = {path.rpartition("/")[2]: path for path in there}
    near = get_close_matches(program.rpartition("/")[2], names, 3, 0.5)
    return BuildError(
        f"The image has no program {program}",
        where=program,
        why=why,
        hint=f"did you mean {' or '.join(names[n] for n in near)}?" if near else "add the package that has it",
    )
