"""Choose the directory for a service's sockets: private to the user, with a short path."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from fpack.cli.paths import make_private_directory, state_directory
from fpack.store.errors import FpackError
from fpack.store.files.owners import danger

# A socket's path has at most 107 bytes (unix(7)), including the name that the service chooses.
MAX_FOLDER = 80
_SHARED = "/tmp"  # short on every machine


def socket_directory(project: str, name: str, record: str) -> str:
    """Return the directory for the sockets of a project's service, created if needed. Raise FpackError if none is safe.

    It is in the user's runtime directory, else in the user's state directory. If those paths are too long, it has an
    unpredictable name in /tmp, and the link `record` points to it. The caller prevents concurrent calls for the same
    service.
    """
    from blake3 import blake3

    digest = blake3(os.fsencode(project) + b"\0" + name.encode()).hexdigest(6)
    runtime = _runtime()
    for above in ([f"{runtime}/fpack"] if runtime else []) + [f"{state_directory()}/run"]:
        path = f"{above}/{digest}"
        if len(os.fsencode(path)) <= MAX_FOLDER:
            make_private_directory(path, "XDG_STATE_HOME", "the sockets of a service")
            return path
    return _recorded(record)


def _recorded(record: str) -> str:
    try:
        path = os.readlink(record)
        if not danger(path):
            return path
    except OSError:
        pass  # it was deleted with the last shell or by a reboot
    path = tempfile.mkdtemp(prefix="fpack-", dir=_SHARED)
    if why := danger(path):
        os.rmdir(path)
        raise FpackError(
            "The directory for the sockets of a service is not safe",
            where=_SHARED,
            why=why,
            hint="set XDG_RUNTIME_DIR to a directory of your own with a short path and the mode 0700",
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)
    os.symlink(path, record)
    return path


def _runtime() -> str:
    """Return the user's runtime directory if it is private to the user, else ""."""
    path = os.environ.get("XDG_RUNTIME_DIR", "").rstrip("/")
    try:
        if path.startswith("/") and not danger(path) and not stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            return path
    except OSError:
        pass
    return ""
