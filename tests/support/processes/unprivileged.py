"""Run a command as a user that owns nothing: `python unprivileged.py [--ids] UID PATH... -- COMMAND...`, as root.

The PATHs can be read by the command also where a directory above them is closed to others, as Python's own in root's
home is: in a mount namespace of the command's own, they are shown at the same places. With --ids, the user has a name
and a range of ids there, in /etc/passwd, /etc/subuid and their like.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

UID = 61234
_IDS = 610_000_000  # ids that nobody on the machine has
_NEWNS, _PRIVATE, _BIND, _REC = 0x20000, 1 << 18, 4096, 16384
_libc = ctypes.CDLL(None, use_errno=True)


def prefix(paths: Sequence[Path], ids: bool = False, uid: int = UID) -> list[str]:
    """Return the words before a command that runs it so; none if the caller is not root."""
    if os.geteuid() != 0:
        return []
    return [sys.executable, __file__, *(["--ids"] if ids else []), str(uid), *map(str, paths), "--"]


def _closed(path: Path) -> Path | None:
    """Return the directory that keeps others from `path`."""
    for folder in reversed(path.parents):
        if not os.stat(folder).st_mode & 0o001:
            return folder
    return None


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    words = [word.encode() if word is not None else None for word in (source, target, kind, data)]
    if _libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]):
        raise OSError(ctypes.get_errno(), f"{source} on {target}: {os.strerror(ctypes.get_errno())}")


def _give_ids(uid: int) -> None:
    """Show an /etc in which the user has a name and 65,536 ids.

    Single files cannot be mounted: a mount ends when the machine's file is replaced, as useradd does.
    """
    place = tempfile.mkdtemp()
    _mount("tmpfs", place, "tmpfs", 0, "mode=0755,size=1m")
    for name in ("upper", "work"):
        os.mkdir(f"{place}/{name}", 0o755)
    for name, text in (
        ("passwd", f"root:x:0:0:root:/root:/bin/sh\nstranger:x:{uid}:{uid}::/:/bin/sh\n"),
        ("group", f"root:x:0:\nstranger:x:{uid}:\n"),
        ("subuid", f"stranger:{_IDS}:65536\n"),
        ("subgid", f"stranger:{_IDS}:65536\n"),
    ):
        Path(place, "upper", name).write_text(text)
        os.chmod(f"{place}/upper/{name}", 0o644)
    _mount("overlay", "/etc", "overlay", 0, f"lowerdir=/etc,upperdir={place}/upper,workdir={place}/work")
    _libc.umount2(place.encode(), 2)
    os.rmdir(place)


def main() -> None:
    """Open the way, become the user, become the command."""
    ids = sys.argv[1] == "--ids"
    if ids:
        del sys.argv[1]
    cut = sys.argv.index("--")
    uid, paths, command = int(sys.argv[1]), sys.argv[2:cut], sys.argv[cut + 1 :]
    if _libc.unshare(_NEWNS):
        raise OSError(ctypes.get_errno(), "a mount namespace cannot be made")
    _mount("none", "/", None, _REC | _PRIVATE)
    held = {path: os.open(path, os.O_PATH) for path in dict.fromkeys(os.path.realpath(p) for p in paths)}
    for path, fd in held.items():
        closed = _closed(Path(path))
        if closed is not None:
            _mount("tmpfs", str(closed), "tmpfs", 0, "mode=0755,size=64k")
        if not os.path.lexists(path):
            os.makedirs(path)
            _mount(f"/proc/self/fd/{fd}", path, None, _BIND | _REC)
        os.close(fd)
    if ids:
        _give_ids(uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
