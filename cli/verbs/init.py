"""`fpack init`: write an fpack.fp for an existing project."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.init.guess import Guess
    from fpack.cli.init.project import Project
    from fpack.cli.shared_options import SharedOptions

IGNORED = ".gitignore"
# The file that lists the packages of a project, by the end of the names of its sources.
_LISTINGS = {
    "py": "requirements.txt",
    "js": "package.json",
    "rs": "Cargo.toml",
    "rb": "Gemfile",
    "php": "composer.json",
}


@click.command(
    "init",
    epilog="""\b
Examples:
  fpack init                            write ./fpack.fp
  fpack init --kind cmake               of several build systems, use CMake
  fpack init ../app --print             show what would be written
  fpack init --fix                      and build it, and add what the build lacks""",
)
@click.argument(
    "folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--print", "only_print", is_flag=True, help="Print the file and write nothing.")
@click.option("--kind", help="Build system to use where the project has several, such as cmake or python.")
@click.option("--release", default="trixie", show_default=True, help="Debian release whose packages are used.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--fix", is_flag=True, help="Build it, and add what the build lacks, as `fpack fix` does.")
@shared.locking
def command(
    folder: Path | None, only_print: bool, kind: str | None, release: str, as_json: bool, fix: bool, **rest: Any
) -> int:
    """Inspect the project in DIR (by default here) and write an fpack.fp with its build, an image and a shell.

    If there is no .gitignore, write one: ignored files are not part of the source.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.init.detect import KINDS
    from fpack.cli.init.project import read_project
    from fpack.cli.init.template import attribute_of
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.time_limit import time_limit
    from fpack.cli.ui.render import note, short
    from fpack.store.errors import FpackError
    from fpack.store.files.disk_errors import path_of

    if fix and (only_print or as_json):
        raise UsageError(
            "--fix changes the file that it writes", hint="leave out --print and --json; fpack fix has --json"
        )
    path = Path(os.path.realpath(folder or Path.cwd()))
    target = path / PROJECT_FILE
    if not only_print and os.path.lexists(target):
        raise UsageError(f"{PROJECT_FILE} already exists", where=short(target), hint="--print shows the file")
    _check_release(release)
    try:
        project = read_project(path)._replace(release=release)
    except OSError as error:
        raise FpackError("The project cannot be read", where=path_of(error), why=error.strerror or "") from None
    if kind is not None and kind not in KINDS:
        raise UsageError(f"There is no kind {kind!r} of projects", hint=f"the kinds are {', '.join(KINDS)}")
    options = shared.options(rest)
    with time_limit(path):
        rendered = _rendered(path, project, kind, options)
    found = rendered.guess
    if not only_print:
        _write(target, rendered.content)
        if rendered.ignored is not None:
            _write(path / IGNORED, rendered.ignored)
    if as_json:
        from fpack.cli.options import print_json

        print_json(_value(rendered, None if only_print else target))
        return 0
    _tell(rendered, path, only_print)
    if fix:
        from fpack.cli.init.fix.fixer import Fixer
        from fpack.cli.init.fix.outcome import tell

        lacking = tell(Fixer(path, options._replace(builds=True), note).run([attribute_of(found)]))
        if lacking is not None:
            raise lacking
    if not only_print and not found.todo:
        packed = "" if found.library else " fpack pack,"
        note(f"next: fpack build {attribute_of(found)},{packed} fpack shell")
    return 0


class _RenderedFile(NamedTuple):
    """A guess, the file that it makes, what is not used of the project, and the text of .gitignore if there is none."""

    guess: Guess
    content: str
    also: list[str]
    ignored: str | None


def _value(rendered: _RenderedFile, file: Path | None) -> dict[str, Any]:
    """Return the object that `--json` prints. file: what was written, if it was."""
    from fpack.cli.init.template import attribute_of

    found = rendered.guess
    return {
        "file": str(file) if file is not None else None,
        "text": rendered.content,
        "ignored": rendered.ignored,
        "guessed": list(found.reasons),
        "todo": list(found.todo),
        "also": rendered.also,
        "package": attribute_of(found),
        "library": found.library,
    }


def _tell(rendered: _RenderedFile, path: Path, only_print: bool) -> None:
    """Print the file, or what was written, and notes on what was guessed."""
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.ui.render import note, short

    if only_print:
        print(rendered.content, end="")
    else:
        print(f"wrote {short(path / PROJECT_FILE)}")
        if rendered.ignored is not None:
            print(f"wrote {short(path / IGNORED)}: ignored files are not part of the source")
    for line in rendered.guess.reasons:
        file, colon, _ = line.partition(": ")
        note(f"guessed from {line}" if colon and " " not in file else f"guessed: {line}")
    for line in rendered.also:
        note(f"not used: {line}")
    for line in rendered.guess.todo:
        note(f"to do: {line}")


def _rendered(path: Path, project: Project, kind: str | None, options: SharedOptions) -> _RenderedFile:
    """Guess how a project is built, and render the file. Raise UsageError if nothing is recognised."""
    from fpack.cli.errors import UsageError
    from fpack.cli.init.code.called_programs import with_called_programs
    from fpack.cli.init.code.complete import complete_code
    from fpack.cli.init.code.served_port import with_port
    from fpack.cli.init.deployment_files.deployment import deployed
    from fpack.cli.init.detect import KINDS, guess, others
    from fpack.cli.init.gitignore import ignored, whole_release
    from fpack.cli.init.native.complete import complete
    from fpack.cli.init.template import render

    found = guess(project, kind)
    if found is None and kind is not None:
        possible = [name for name, detect in KINDS.items() if detect(project) is not None]
        hint = f"it has those of {', '.join(possible)}" if possible else ""
        raise UsageError(f"The project has no files of the kind {kind}", where=str(path), hint=hint)
    if found is None:
        below = _below(path, project)
        dotnet = next(
            (file for file in project.files if file.endswith((".sln", ".csproj", ".fsproj", ".vbproj"))), None
        )
        if dotnet is not None and not below:
            raise UsageError(
                "fpack does not build .NET projects",
                where=f"{path}/{dotnet}",
                why="Debian has no .NET, so there is nothing to build them with",
                hint="pack what dotnet publish --self-contained made, with `files` of a container",
            )
        raise UsageError(
            "The project's build system is not recognised",
            where=str(path),
            why=f"it has the files of none of {', '.join(KINDS)}",
            hint=below or _lacking(project),
        )
    found, unused = deployed(with_port(found, path), project)
    found = complete_code(complete(found, path, options, project.release), path, options, project.release)
    if found.call == "package" and found.entrypoint:
        found = with_called_programs(found, project, path, options)
    found = whole_release(found, project, path)
    content = render(found, project.release)
    also = [*others(project, found), *unused]
    left_out = None if os.path.lexists(path / IGNORED) else ignored(found, project)
    return _RenderedFile(found, content, also, left_out)


def _lacking(project: Project) -> str:
    """Return the hint for a project that no detector knows. Name the file by which its language lists packages."""
    by_hand = "write the file by hand, as docs/tutorial.md shows"
    for file in project.files:
        listing = _LISTINGS.get(file.rpartition(".")[2]) if "/" not in file else None
        if listing is not None:
            return f"with a file {listing} beside {file}, fpack init knows its language; or {by_hand}"
    return by_hand


def _below(path: Path, project: Project) -> str:
    """Return a hint that names the directories which have a project of their own, or ""."""
    from fpack.cli.init.detect import guess
    from fpack.cli.init.project import read_project

    found = []
    for name in sorted(project.directories - {"node_modules", "target", "vendor"})[:50]:
        if not name.startswith("."):
            with suppress(OSError):
                if guess(read_project(path / name)) is not None:
                    found.append(name)
    if not found:
        return ""
    few = found[:5]
    more = f", and of {len(found) - 5} more" if len(found) > 5 else ""
    each = "; ".join(f"fpack init {shlex.quote(name)}" for name in few)
    return f"it has the projects of its directories {', '.join(few)}{more}, each with its own file: {each}"


def _write(target: Path, content: str) -> None:
    from fpack.store.errors import FpackError

    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise FpackError(f"{target.name} cannot be written", where=str(target), why=error.strerror or "") from None


def _check_release(release: str) -> None:
    from fpack.builders.debian.suites import RELEASES
    from fpack.cli.errors import UsageError

    if release not in RELEASES:
        raise UsageError(f"There is no release {release!r}", hint=f"there are {', '.join(sorted(RELEASES))}")
