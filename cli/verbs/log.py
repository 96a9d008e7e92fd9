"""`fpack log`: show the log of a build."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output

CHUNK = 1 << 16  # bytes
_SHOWN = 8  # names of logs in a message


class Log(NamedTuple):
    """The log of a derivation.

    kind, name: those of the derivation. digest: its digest, in hex. path: the compressed file.
    """

    kind: str
    name: str
    digest: str
    path: Path


@click.command(
    "log",
    epilog="""\b
Examples:
  fpack log fpack.fp#app
  fpack log app zlib             the log of zlib, which app is built with
  fpack log postgres --all       and the logs of all its inputs""",
)
@click.argument("what", required=False)
@click.argument("input_name", required=False, metavar="[INPUT]")
@click.option("-a", "--all", "everything", is_flag=True, help="Also show the logs of its inputs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(what: str | None, input_name: str | None, everything: bool, as_json: bool, **rest: Any) -> int:
    """Show the log of the last build of WHAT, whether it succeeded or failed; or of INPUT, a package that is an input
    of WHAT.

    INPUT is a package's name, with or without its version. If WHAT has no log, show the logs of its inputs: one of
    them may have failed.
    """
    from fpack.cli.workspace.containers import output_of
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import StoreError, printable

    # The log is that of the build that `fpack build` runs here.
    with Workspace(shared.options(rest)._replace(builds=True)) as workspace:
        target = workspace.target(what)
        output = output_of(workspace, target)
        logs = list(_logs(workspace, output))
        workspace.finish()
    if input_name is None:
        own = [log for log in logs if log.digest == output.derivation.hex()]
    else:
        own = logs = _named(logs, input_name, target.text)
    shown = logs if everything or not own else own
    if as_json:
        values = [
            {"kind": log.kind, "name": log.name, "digest": log.digest, "place": str(log.path)}
            | {"text": "".join(_text(log.path))}
            for log in shown
        ]
        shared.print_json({"derivation": output.derivation.hex(), "logs": values})
        return 0 if shown else 1
    if not shown:
        raise StoreError(
            f"There is no log of {target.text}",
            why="neither it nor any of its inputs was built on this machine, or their builds printed nothing",
            hint=f"fpack build {target.text} builds it; -v shows the output of the build",
        )
    for log in shown:
        if len(shown) > 1 or not own:
            from fpack.cli.ui.render import colored, paint

            print(paint(f"== {log.kind} {log.name}", "bold", colored(sys.stdout)))
        for part in _text(log.path):
            sys.stdout.write(printable(part) if sys.stdout.isatty() else part)
    return 0


def _logs(workspace: Workspace, output: Output) -> Iterator[Log]:
    """Yield the existing logs of a derivation and of all its inputs, the inputs' first."""
    from fpack.store import derivation

    bodies, database = workspace.evaluator.derivations, workspace.store.database
    directory = workspace.store.root / "logs"
    written = {path.name.removesuffix(".zst") for path in directory.glob("*.zst")}
    seen: set[bytes] = set()
    todo: list[tuple[bytes, Log | None]] = [(output.derivation, None)]
    while todo:
        digest, ready = todo.pop()
        if ready is not None:
            if ready.digest in written:
                yield ready
            continue
        body = bodies.get(digest) or database.derivation(digest)
        if digest in seen or body is None:
            continue
        seen.add(digest)
        made = derivation.decode(body)
        todo.append((digest, Log(made.kind, made.name, digest.hex(), directory / f"{digest.hex()}.zst")))
        todo += [(entry.derivation, None) for entry in reversed([*made.inputs, *made.candidates])]


def _named(logs: Sequence[Log], name: str, of: str) -> list[Log]:
    """Return the logs of inputs of a name, which may lack the version. Raise UsageError if there are none."""
    from fpack.cli.errors import UsageError
    from fpack.cli.images.inspect import is_version_of
    from fpack.store.errors import did_you_mean

    found = [log for log in logs if log.name == name]
    found = found or [log for log in logs if is_version_of(log.name, name)]
    if not found:
        names = sorted({log.name for log in logs})
        raise UsageError(
            f"No input of {of} that has a log is called {name!r}",
            why=f"there are logs of {', '.join(names[:_SHOWN])}" if names else "none of its inputs has a log",
            hint=did_you_mean(name, names, 3, 0.5) or f"fpack log {of} --all shows all of them",
        )
    return found


def _text(path: Path) -> Iterator[str]:
    """Yield the text of a log, in pieces."""
    import codecs

    import zstandard
    from fpack.store.errors import StoreError

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while chunk := stream.read(CHUNK):
                yield decoder.decode(chunk)
    except (OSError, zstandard.ZstdError) as error:
        raise StoreError("A log cannot be read", where=str(path), why=str(error)) from None
    yield decoder.decode(b"", True)
