"""Fetch the files that a kept lock lacks in its mirror, or that are damaged there, and send them again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fpack.builders import arguments
from fpack.builders.debian.lock.text import parse_lock
from fpack.builders.distribution.protocol import NotThere, Repository
from fpack.builders.mirrors.check import MirrorChecker
from fpack.builders.mirrors.keeping import KeepItem, KeepResult, blob_source
from fpack.builders.mirrors.kept_lock import read_config
from fpack.builders.mirrors.pages import stored_lock
from fpack.builders.protocol import Cancelled
from fpack.cli.ui.render import note
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, StoreError
from fpack.store.path import clean_name

from .content import KeptContent, PinnedFetch

if TYPE_CHECKING:
    from pathlib import Path

    from fpack.builders.mirrors.kept_lock import KeptFile
    from fpack.cli.workspace.workspace import Workspace


def complete_lock(workspace: Workspace, repository: Repository, identity: str) -> KeepResult:
    """Complete a kept lock. A file that cannot be had any more is a warning."""
    stored = stored_lock(repository, identity)
    if stored is None:
        raise NotThere("The kept lock is gone", where=repository.name, why=identity)
    kept = read_config(repository, stored)
    checker = MirrorChecker(repository, _no_keyring, time.time())
    bad = {file.digest: file for file in kept.files if checker.look(file)}
    if not bad:
        return KeepResult(stored.manifest.digest, True)
    content = KeptContent(workspace, parse_lock(kept.lock, repository.name), {}, note)
    sizes = []
    for file in bad.values():
        try:
            path = _obtain(content, file)
        except (StoreError, Cancelled):
            raise
        except FpackError as error:
            note(f"warning: {file.name} cannot be completed: {error.what}")
            continue
        # A damaged blob of the right size would count as written.
        repository.delete(file.digest)
        repository.write_blob(blob_source(file, path))
        sizes.append(file.size)
    return KeepResult(stored.manifest.digest, False, kept.number, kept.size, len(sizes), sum(sizes))


def _no_keyring(archive: str) -> Path:
    raise AssertionError("signatures are not looked at")


def _obtain(content: KeptContent, file: KeptFile) -> Path:
    """Return a file from the store, another place or its archive. Raise FpackError if none has it."""
    from fpack.builders.kinds.fetch import FetchArgs

    item = content.item_of(file.digest)
    if item is not None:
        found = content.obtain([item])[0]
        if not found:
            raise FpackError("it is no longer available")
        return found[0].path
    args = arguments.write(FetchArgs((), file.digest.removeprefix("sha256:"), file.size))
    body = Derivation("fetch", clean_name(file.name), args).encode()
    fetch = PinnedFetch(KeepItem(file.name, (file.digest,)), Output(derivation.digest(body)), body, "fetch")
    return content.realise([fetch])[0]
