"""Find out which file system a directory is on, and refuse a store on one that several machines can write to.

SQLite's write-ahead log needs memory that all processes share, which works on one machine only. On most network file
systems, locks exclude only processes of the same machine, or do not work. Two machines would damage the database
without an error.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fpack.store.errors import StoreError

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "fuse.ceph", "glusterfs",
           "fuse.glusterfs", "gfs2", "ocfs2", "lustre", "beegfs", "fuse.s3fs", "fuse.rclone")  # fmt: skip


def mount_of(path: Path, proc: Path = Path("/proc")) -> tuple[str, str, Sequence[str]]:
    """Return the type, the mount point and the mount options of the file system that contains `path`.

    path: absolute, without symlinks.
    """
    best: tuple[str, str, Sequence[str]] = ("", "/", ())
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split()
            if len(fields) < 5 or not after:
                continue
            mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            inside = path == Path(mount) or Path(mount) in path.parents
            if inside and (not best[0] or len(mount) >= len(best[1])):
                best = after.split()[0], mount, fields[5].split(",") if len(fields) > 5 else ()
    return best


def check_local(root: Path, is_allowed: Callable[[], bool], proc: Path = Path("/proc")) -> None:
    """Raise StoreError if the store at `root` is on a network file system. is_allowed: tells if the user accepts it."""
    # The device number of a file system on a disk has a major number. That of tmpfs, NFS and the like is 0.
    if os.major(os.stat(root).st_dev):
        return
    kind, mount, _ = mount_of(Path(os.path.realpath(root)), proc)
    if kind in NETWORK and not is_allowed():
        raise StoreError(
            f"The store is on a network file system: {kind} at {mount}",
            where=str(root),
            why="its locks and the database's shared memory do not reach other machines, which could damage the store",
            hint="set FPACK_ROOT to a directory on a disk of this machine; or, if only this machine ever uses the "
            "store: FPACK_NETWORK_STORE=1",
        )
