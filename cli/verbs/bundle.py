"""`fpack bundle`: write a lock and all that it pins to one file, for a machine without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import counted, megabytes, note


@click.command(
    "bundle",
    epilog="""\b
Examples:
  fpack bundle app.bundle                          the project's lock, and all that the project fetches
  fpack bundle app.bundle debian.trixie.jq
  fpack bundle app.bundle --store ./result         and a store path with its closure
  fpack --offline pack --mirror kept=./app.bundle  on the other machine, with the project's files
  fpack bundle --unpack app.bundle -o mirror       an OCI layout: a directory that is a mirror""",
)
@click.argument("file", type=shared.NamedPath(path_type=Path, dir_okay=False))
@click.argument("what", required=False)
@click.option("--store", "store_paths", multiple=True, metavar="PATH", help="Add a store path with its closure.")
@click.option("--unpack", is_flag=True, help="Unpack FILE, and check all of it.")
@click.option(
    "-o", "--output", type=shared.NamedPath(path_type=Path), help="With --unpack: the directory. Default: FILE's name."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(
    file: Path,
    what: str | None,
    store_paths: tuple[str, ...],
    unpack: bool,
    output: Path | None,
    force: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Write FILE: the lock, its packages and signed indexes, and all that the project, or WHAT, fetches by digest.

    FILE is a mirror in one file, a tar archive of an OCI layout. --mirror kept=FILE reads it as a mirror; with fpack
    --offline, no other mirror on the network is used. --unpack writes the layout to a directory, with the kept
    fpack.lock and the closures of store paths beside it. FILE need not be trusted: its content is compared with the
    lock, as a mirror's is.
    """
    from fpack.cli.errors import UsageError

    if unpack:
        if what is not None or store_paths:
            raise UsageError("--unpack takes a file and a directory alone", hint="fpack bundle --unpack FILE -o DIR")
        return _unpack(file, output, as_json)
    if output is not None:
        raise UsageError("-o is the directory of --unpack", hint="fpack bundle FILE")
    if file.exists() and not force:
        raise UsageError(f"{file} already exists", hint="name another file, or replace it with --force")
    return _write(file, what, store_paths, as_json, rest)


def _write(file: Path, what: str | None, store_paths: tuple[str, ...], as_json: bool, rest: dict[str, Any]) -> int:
    from fpack.builders.distribution.layout import DirectoryRepository
    from fpack.builders.mirrors.bundle import write_bundle
    from fpack.builders.streams.output_file import errors, replacing
    from fpack.cli.mirrors.closures import add_closures
    from fpack.cli.mirrors.keep import OpenMirror, keep_lock
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.files.scratch import scratch_directory

    from .lock import lock_all

    with Workspace(shared.options(rest)) as workspace:
        lock_all(workspace, what)
        # Beside the file, since the content may be larger than /tmp.
        with scratch_directory(file) as scratch:
            repository = DirectoryRepository(scratch / "layout")
            target = OpenMirror(str(file), repository)
            report = keep_lock(workspace, target, workspace.evaluator.derivations)
            closures = add_closures(repository, store_paths, scratch)
            with errors(file), replacing(file) as fd, os.fdopen(os.dup(fd), "wb") as out:
                size = write_bundle(repository.directory, out)
    if as_json:
        shared.print_json(
            {"file": str(file), "id": report.identity, "files": report.result.files, "bytes": size, "paths": closures}
        )
    else:
        more = f", {counted(len(closures), 'store path')} with closures" if closures else ""
        note(f"{file}: {counted(report.result.files, 'file')}{more}, {megabytes(size)}")
    return 0


def _unpack(file: Path, output: Path | None, as_json: bool) -> int:
    from fpack.builders.distribution.layout import DirectoryRepository
    from fpack.builders.mirrors.bundle import unpack_bundle
    from fpack.cli.errors import UsageError
    from fpack.cli.mirrors.closures import write_contents

    directory = output or file.with_suffix("")
    if directory == file or os.path.lexists(directory):
        raise UsageError(f"{directory} already exists", hint="name a new directory with -o")

    def contents(new: Path) -> list[str]:
        return [path.name for path in write_contents(DirectoryRepository(new), new)]

    try:
        names = unpack_bundle(file, directory, contents)
    except OSError as error:
        from fpack.store.errors import StoreError
        from fpack.store.files.disk_errors import path_of

        what = "The bundle cannot be unpacked"
        raise StoreError(what, where=path_of(error) or str(file), why=error.strerror or "") from None
    written = [directory / name for name in names]
    if as_json:
        shared.print_json({"directory": str(directory), "written": [str(path) for path in written]})
        return 0
    for path in written:
        print(f"wrote {path}")
    print(f"{directory} is a mirror: fpack --offline pack --mirror kept={directory}")
    return 0
