"""`fpack store export`: write the closure of paths to one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.store.closure_file.format import ClosureHeader
    from fpack.store.path import StorePath
    from fpack.store.store import Store

SUFFIX = ".closure"


@click.command(
    "export",
    epilog="""\b
Examples:
  fpack store export ./result                     to NAME.closure
  fpack store export ./result -o app.closure
  fpack store export ./result -o - | ssh host fpack store import -""",
)
@click.argument("store_paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-o", "--output", type=shared.NamedPath(path_type=Path, dir_okay=False, allow_dash=True), help="The file."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_paths: tuple[str, ...], output: Path | None, force: bool, as_json: bool) -> int:
    """Write each PATH and everything that it references to one file, for fpack store import.

    Equal paths give equal bytes. Every file is hashed while it is read, so a damaged path is not exported.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.store.paths import find_paths, opened
    from fpack.cli.ui.render import counted, megabytes, note
    from fpack.store.errors import StoreError

    to_stdout = str(output) == "-"
    if to_stdout and as_json:
        raise UsageError("--json and -o - exclude each other", hint="give -o a file")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("A closure file is not written to a terminal", hint="give -o a file, or pipe the output")
    with opened() as store:
        tops = [info.path for info in find_paths(store, store_paths)]
        if not store.keep(tops):
            raise StoreError("A path was deleted while it was exported", hint="try again")
        target = output or Path(f"{tops[0].name}{SUFFIX}")
        if target.is_file() and not (force or to_stdout):
            raise UsageError(f"{target} already exists", hint="give another file with -o, or replace it with --force")
        header, size = _to_stdout(store, tops) if to_stdout else _to_file(store, tops, target)
    if as_json:
        paths = [str(path) for path in header.roots]
        shared.print_json(
            {"file": str(target), "bytes": size, "roots": paths, "paths": header.paths, "size": header.size}
        )
    else:
        text = f"{counted(header.paths, 'path')}, {megabytes(header.size)}, in {megabytes(size)}"
        note(text if to_stdout else f"{target}: {text}")
    return 0


def _to_file(store: Store, tops: list[StorePath], target: Path) -> tuple[ClosureHeader, int]:
    """Write the file, or write to a pipe or device. A file appears only when it is complete and durable."""
    from fpack.builders.streams.output_file import errors, replacing

    if not target.absolute().parent.is_dir():
        from fpack.cli.errors import UsageError

        directory = target.absolute().parent
        raise UsageError(
            f"{target} cannot be written", why=f"there is no directory {directory}", hint="create it first"
        )
    with errors(target), replacing(target) as fd, open(fd, "wb", closefd=False) as file:
        counter = _Counter(file)
        header = _write(store, tops, counter)
    return header, counter.size


def _to_stdout(store: Store, tops: list[StorePath]) -> tuple[ClosureHeader, int]:
    counter = _Counter(sys.stdout.buffer)
    try:
        header = _write(store, tops, counter)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from fpack.builders.streams.output_file import ExportError

        raise ExportError("Standard output cannot be written", why=error.strerror or str(error)) from None
    return header, counter.size


class _Counter:
    """A binary file, with a count of the bytes that were written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)


def _write(store: Store, tops: list[StorePath], file: _Counter) -> ClosureHeader:
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.store.closure_file.writer import write_closure

    line = ProgressLine("exporting")
    try:
        return write_closure(store, tops, file, line)
    finally:
        line.end()
