"""Keep a lock in a mirror, and tell what was done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.mirrors.keeping import KeepResult
    from fpack.cli.workspace.workspace import Workspace


class OpenMirror(NamedTuple):
    """A mirror that a command names. tag: of its address, or ""."""

    address: str
    repository: Repository
    tag: str = ""


class KeptReport(NamedTuple):
    """The result of keeping a lock."""

    address: str
    identity: str
    result: KeepResult

    def json_form(self) -> dict[str, Any]:
        """Return the values for --json."""
        return {"mirror": self.address, "id": self.identity, **self.result._asdict()}

    def show(self) -> None:
        """Print what was done."""
        from fpack.cli.ui.render import megabytes
        from fpack.store.errors import counted, one_line

        done = self.result
        where = one_line(self.address)
        if done.unchanged:
            print(f"{where} already keeps this lock ({self.identity[:12]})")
        else:
            files = counted(done.files, "file")
            sent = f"{done.sent} of {files} sent, {megabytes(done.sent_bytes)} of {megabytes(done.size)}"
            print(f"{where} keeps this lock ({self.identity[:12]}): {sent}")


def open_mirror(address: str, *, writes: bool = False) -> OpenMirror:
    """Open the mirror at an address. Offline, only one of this machine. writes: to change it."""
    from fpack.builders.mirrors.addresses import is_on_this_machine, normal_address, open_place, tag_of
    from fpack.cli.errors import UsageError
    from fpack.cli.paths import uploads_directory
    from fpack.store.settings import OFFLINE

    full = normal_address(address)
    if OFFLINE.find() and not is_on_this_machine(full):
        raise UsageError("The mirror is not on this machine", where=full, why="fpack is offline")
    return OpenMirror(
        full, open_place(full, writes=writes, uploads=uploads_directory() if writes else None), tag_of(full)
    )


def keep_lock(
    workspace: Workspace, mirror: OpenMirror, derivations: Mapping[bytes, bytes], lock: Lock | None = None
) -> KeptReport:
    """Keep a lock, by default the workspace's, and what derivations of an evaluation fetch."""
    from fpack.builders.mirrors.keeping import KeepResult, is_kept, keep
    from fpack.cli.ui.render import note

    from .content import KeptContent

    content = KeptContent(workspace, workspace.source.lock if lock is None else lock, dict(derivations), note)
    digest = is_kept(mirror.repository, content.identity, time.time(), mirror.tag)
    if digest:
        return KeptReport(mirror.address, content.identity, KeepResult(digest, True))
    result = keep(mirror.repository, content.request(), time.time(), tag=mirror.tag, settled=_settled)
    return KeptReport(mirror.address, content.identity, result)


def _settled(repository: Repository) -> None:
    """Wait until no collection deletes files of a bucket. Directories have a lock, and registries refuse."""
    from fpack.builders.distribution.bucket import BucketRepository

    if isinstance(repository, BucketRepository):
        from fpack.builders.caches import deletion_mark

        deletion_mark.wait(repository)
