"""Where a service has its sockets: a directory of the user's with a short path, where nobody else can put one first."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from fpack.cli.paths import make_private_directory, state_directory
from fpack.store.errors import FpackError
from fpack.store.files.owners import danger

# A socket's path has 107 bytes at most (unix(7)), and what a service calls it comes after this.
MAX_FOLDER = 80
_SHARED = "/tmp"  # where paths are short on every machine


def socket_folder(project: str, name: str, record: str) -> str:
    """The directory for the sockets of a project's service, made if need be. FpackError if there is none.

    It lies with the user's other sockets, else with the user's state. Where those paths are too long it has a name in
    /tmp that nobody could know before it was made, and `record`, a link, says which; the caller keeps others from
    asking for the same service meanwhile.
    """
    from blake3 import blake3

    digest = blake3(os.fsencode(project) + b"\0" + name.encode()).hexdigest(6)
    runtime = _runtime()
    for above in ([f"{runtime}/fpack"] if runtime else []) + [f"{state_directory()}/run"]:
        place = f"{above}/{digest}"
        if len(os.fsencode(place)) <= MAX_FOLDER:
            make_private_directory(place, "XDG_STATE_HOME", "the sockets of a service")
            return place
    return _recorded(record)


def _recorded(record: str) -> str:
    try:
        place = os.readlink(record)
        if not danger(place):
            return place
    except OSError:
        pass  # it is gone with the last shell, or the machine was started anew
    place = tempfile.mkdtemp(prefix="fpack-", dir=_SHARED)
    if why := danger(place):
        os.rmdir(place)
        raise FpackError(
            "There is no safe place to keep the sockets of a service",
            where=_SHARED,
            why=why,
            hint="set XDG_RUNTIME_DIR to a directory of your own with a short path and the mode 0700",
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)
    os.symlink(place, record)
    return place


def _runtime() -> str:
    """The user's directory for sockets, if it is as the system makes it: theirs, and closed to others."""
    place = os.environ.get("XDG_RUNTIME_DIR", "").rstrip("/")
    try:
        if place.startswith("/") and not danger(place) and not stat.S_IMODE(os.stat(place).st_mode) & 0o077:
            return place
    except OSError:
        pass
    return ""
