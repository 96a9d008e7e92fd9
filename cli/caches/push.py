"""`fpack cache push`: write store paths and signed realisations to a cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.store.errors import FpackError
from fpack.store.path import StorePath, parse

if TYPE_CHECKING:
    from fpack.builders.attest.keys import PrivateKey
    from fpack.builders.caches.push import CachePush
    from fpack.builders.distribution.reference import Reference
    from fpack.cli.images.push.records import PushRecord
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.store import Store


@click.command(
    "push",
    epilog="""\b
Examples:
  fpack cache push app --to file:///srv/cache --key ci
  fpack cache push app api.fp#server              to the cache of the setting cache.push
  fpack cache push ./result --no-sign             only content, which anybody may fetch by its path
  fpack cache push app --inputs                   also what it was built with""",
)
@click.argument("targets", nargs=-1, metavar="[WHAT]...")
@click.option("--to", "address", metavar="URL", help="The cache. Default: the setting cache.push.")
@click.option("--key", "key_name", metavar="KEY", help="Private key that signs. Default: cache.sign-with.")
@click.option(
    "--no-sign",
    is_flag=True,
    help="Sign nothing and write no realisations: machines fetch the paths by their names alone.",
)
@click.option("--inputs", is_flag=True, help="Also push the inputs of the builds that the store has.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
@shared.building
def command(
    targets: tuple[str, ...],
    address: str | None,
    key_name: str | None,
    no_sign: bool,
    inputs: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Build each WHAT, and write it, and all that it references, to a cache. A WHAT may be a store path.

    Paths that the cache has are not written again, and an interrupted push continues.
    """
    from fpack.builders.caches import image_layers
    from fpack.builders.caches.push import push, realisations_of
    from fpack.builders.kinds.table import generation
    from fpack.cli.errors import UsageError
    from fpack.cli.images.push.records import PushRecord
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.cli.workspace.caches.opener import open_cache
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.settings import CACHE_PUSH

    address = address or CACHE_PUSH.find()
    if not address:
        raise UsageError("No cache is named", hint="give --to URL, or the setting cache.push")
    key = None if no_sign else _key(key_name)
    cache = open_cache(address, [key.public] if key is not None else None)
    with Workspace(shared.options(rest)) as workspace:
        paths = built(workspace, targets)
        if inputs:
            paths += _inputs(workspace, paths)
        store = workspace.store
        closure = store.closure(paths)
        rows = realisations_of(store, closure, generation()) if key is not None else []
        line = ProgressLine("pushing")
        registry = _registry_of(address)
        record = None if registry is None else PushRecord(registry.host)
        known = {} if record is None or registry is None else record.mounts(registry.repository)
        images = [] if record is None else list(_pushed_images(store, record))
        parts = image_layers.of_paths(store, [*images, *closure])
        try:
            done = push(store, cache, paths, rows, key, line, parts=parts, mounts=lambda blob: known.get(blob, ()))
        finally:
            line.end()
        if record is not None and registry is not None and done.blobs:
            record.add_blobs(registry.repository, done.blobs)
        workspace.finish()
    _show(address, done, as_json)
    return 0


def _registry_of(address: str) -> Reference | None:
    """Return the repository of a registry at an address that was opened, or None for another cache."""
    from fpack.builders.distribution.reference import parse_reference

    try:
        return parse_reference(address.removeprefix("oci://")) if address.startswith("oci://") else None
    except FpackError:
        return None  # a host without a dot or a port


def _key(name: str | None) -> PrivateKey:
    """Return the key that signs. Raise UsageError if none is named."""
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.caches.opener import signing_key

    key = signing_key(name)
    if key is None:
        raise UsageError(
            "No key is named", why="others believe only what is signed",
            hint="fpack key generate ci, then --key ci; or --no-sign",
        )  # fmt: skip
    return key


def _show(address: str, done: CachePush, as_json: bool) -> None:
    """Print what was pushed."""
    from fpack.cli.ui.render import counted, megabytes, note

    if as_json:
        shared.print_json(
            {
                "cache": address,
                "pushed": [str(path) for path in done.pushed],
                "present": len(done.present),
                "bytes": done.written,
                "realisations": done.realisations,
            }
        )
    else:
        note(
            f"{counted(len(done.pushed), 'path')} pushed in {megabytes(done.written)}, {len(done.present)} were there, "
            f"{counted(done.realisations, 'realisation')} signed"
        )


def _pushed_images(store: Store, record: PushRecord) -> Iterator[StorePath]:
    """Yield the images of the store that were pushed to a registry: their layers may have the paths to push."""
    for text in sorted(record.images()):
        with suppress(FpackError):  # the record is damaged
            path = parse(text)
            if store.is_there(path):
                yield path


def built(workspace: Workspace, targets: tuple[str, ...]) -> list[StorePath]:
    """Build the targets of a command line and return their paths."""
    from fpack.cli.workspace.containers import outputs_of
    from fpack.cli.workspace.project_package import project_package

    paths: list[StorePath] = []
    for text in targets or (None,):
        target = workspace.target(text)
        if target.file is not None and (text is None or "#" not in text):
            target = project_package(workspace, target)
        paths += workspace.realise([entry.output for entry in outputs_of(workspace, target, together=False)])
    return list(dict.fromkeys(paths))


def _inputs(workspace: Workspace, paths: list[StorePath]) -> list[StorePath]:
    """Return the outputs of the derivations that paths were built from, as far as the store has them."""
    from fpack.builders.kinds.table import kinds, local_kinds
    from fpack.store.derivation import Output

    store = workspace.store
    pushed = set(kinds()) - local_kinds() - {"text"}
    todo = [output.derivation for path in store.closure(paths) for output in store.database.outputs_of(path)]
    seen: set[bytes] = set()
    found: list[StorePath] = []
    while todo:
        digest = todo.pop()
        if digest in seen:
            continue
        seen.add(digest)
        drv = store.derivation(digest)
        if drv is None:
            continue
        if drv.kind in pushed:
            outputs = (store.database.built(Output(digest, name)) for name in drv.outputs)
            found += [path for path in outputs if path is not None and store.keep([path])]
        todo += [output.derivation for output in (*drv.inputs, *drv.candidates)]
    return found
