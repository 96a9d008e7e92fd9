"""Find the default entrypoint of an image, and check that its program is in the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.errors import similar
from fpack.store.path import STORE

from .image_fs import ImageFs, is_executable

_DIRECTORIES = ("usr/bin", "usr/sbin", "usr/games")
MAX_LISTED = 12
# Packages depend on them for their maintainer scripts. A package without programs never stands for one of these.
_HELPERS = {
    "adduser", "cdebconf", "debconf", "dpkg", "init-system-helpers", "install-info", "libpam-runtime", "sgml-base",
    "ucf", "xml-core",
}  # fmt: skip


def find_entrypoint(
    package: str, extra: Mapping[str, Value], view: ImageFs, can_run: Callable[[str], bool]
) -> tuple[str | None, str]:
    """Return the absolute path of a package's main program, and why there is none.

    extra: the extra fields of the root; `programs` has the main program of each package. A package without programs,
    such as a metapackage, stands for its dependencies if these have exactly one. can_run: whether the image has the
    interpreter of a script, which its package may not declare.
    """
    programs: Mapping[str, Value] = extra.get("programs", {})
    names = [package]
    own = programs.get(package, {})
    if not own.get("program") and not own.get("executables"):
        others = [s["package"] for s in extra.get("slices", ()) if s.get("by") == package]
        names = [name for name in others if name not in _HELPERS] or names
    found = {programs[name]["program"] for name in names if programs.get(name, {}).get("program")}
    if not found:
        found = {f"/{f}/{package}" for f in _DIRECTORIES if is_executable(view.resolve(f"{f}/{package}"))}
    why = f"{package} has no program in /usr/bin, /usr/sbin or /usr/games"
    if len(found) == 1:
        program = str(found.pop())
        return (None, why) if names != [package] and not can_run(program) else (program, "")
    candidates = sorted(found) or sorted({e for name in names for e in programs.get(name, {}).get("executables", ())})
    shown = ", ".join(candidates[:MAX_LISTED]) + (
        f" and {len(candidates) - MAX_LISTED} more" if candidates[MAX_LISTED:] else ""
    )
    if candidates:
        why = f"{package} has {shown}" if names == [package] else f"the packages that {package} stands for have {shown}"
    return None, why


def check_program(program: str, path: str, view: ImageFs, built: Callable[[str], Sequence[str]]) -> None:
    """Raise BuildError unless `program` is an executable file of the image, at its absolute path or in the PATH `path`.

    built: returns the programs of a store path. A relative path with a slash depends on the working directory and is
    not checked.
    """
    if not program:
        raise BuildError("The program of an image is an empty string")
    if "/" not in program:
        directories = [directory.strip("/") for directory in path.split(":") if directory.startswith("/")]
        if any(is_executable(view.resolve(f"{directory}/{program}")) for directory in directories):
            return
        raise _absent(program, f"no directory of its PATH has it: {path}", view, built)
    if not program.startswith("/"):
        return
    found = view.resolve(program)
    if found is None:
        raise _absent(program, "", view, built)
    if not is_executable(found):
        found_path, entry = found
        what = "a directory" if entry.kind == "d" else f"a file of mode {entry.mode:04o}"
        why = f"/{found_path} of {entry.source.label} is {what}"
        raise BuildError(f"The image cannot run {program}", where=program, why=why)


def _absent(program: str, why: str, view: ImageFs, built: Callable[[str], Sequence[str]]) -> BuildError:
    path = "/".join(program.split("/")[:4])
    if program.startswith(f"{STORE}/") and view.resolve(path):
        own = [found.removeprefix(f"{path}/") for found in built(path)]
        shown = ", ".join(own[:MAX_LISTED]) + (f" and {len(own) - MAX_LISTED} more" if own[MAX_LISTED:] else "")
        name = path.rpartition("/")[2].partition("-")[2]
        return BuildError(
            f"The image has no program {program}",
            where=program,
            why=f"{name} has {shown}" if own else f"{name} has no program in bin or sbin",
            hint=f"append a program to the store path, such as /{own[0]}" if own else "use a package with a program",
        )
    names = {path.rpartition("/")[2]: path for path in view.executables(_DIRECTORIES)}
    near = similar(program.rpartition("/")[2], names, 3, 0.7)
    return BuildError(
        f"The image has no program {program}",
        where=program,
        why=why,
        hint=f"did you mean {' or '.join(names[n] for n in near)}?" if near else "add the package that has the program",
    )
