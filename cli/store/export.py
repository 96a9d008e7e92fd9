"""`fpack store export`: write the closure of paths to one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

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
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="The file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_paths: tuple[str, ...], output: Path | None, as_json: bool) -> int:
    """Write each PATH and everything that it references to one file, for fpack store import.

    The same paths give the same bytes. Every file is hashed while it is read: a damaged path is not exported.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.store.paths import find_paths, opened
    from fpack.cli.ui.render import megabytes, note
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
        header, size = _to_stdout(store, tops) if to_stdout else _to_file(store, tops, target)
    if as_json:
        paths = [str(path) for path in header.roots]
        shared.print_json(
            {"file": str(target), "bytes": size, "roots": paths, "paths": header.paths, "size": header.size}
        )
    else:
        text = f"{header.paths} paths, {megabytes(header.size)}, in {megabytes(size)}"
        note(text if to_stdout else f"{target}: {text}")
    return 0


def _to_file(store: Store, tops: list[StorePath], target: Path) -> tuple[ClosureHeader, int]:
    """Write the file, which appears only when it is complete and durable."""
    import os

    from fpack.store.files.replace import replacing_at
    from fpack.store.files.replace import target as resolved

    with resolved(target) as (directory, name):
        with replacing_at(directory, name) as fd, os.fdopen(os.dup(fd), "wb") as file:
            header = _write(store, tops, file)
            file.flush()
            os.fsync(fd)
            size = os.fstat(fd).st_size
        os.fsync(directory)
    return header, size


def _to_stdout(store: Store, tops: list[StorePath]) -> tuple[ClosureHeader, int]:
    class Counter:
        """Standard output, with a count of its bytes."""

        size = 0

        def write(self, data: bytes) -> None:
            sys.stdout.buffer.write(data)
            self.size += len(data)

    counter = Counter()
    header = _write(store, tops, counter)
    sys.stdout.buffer.flush()
    return header, counter.size


def _write(store: Store, tops: list[StorePath], file: object) -> ClosureHeader:
    from fpack.cli.store.progress import ProgressLine
    from fpack.store.closure_file.writer import write_closure

    line = ProgressLine("exporting")
    try:
        return write_closure(store, tops, file, line)  # type: ignore[arg-type]
    finally:
        line.end()
