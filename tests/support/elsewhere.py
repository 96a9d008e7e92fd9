"""Another user, another number of cores and another year, to build the same in.

other = Fpack(place, prefix=elsewhere())     # place belongs to NOBODY
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

NOBODY = 65534

# In a mount namespace of its own, a directory that only root may enter lets everybody through.
_OPEN = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -m 755 /mnt/open
mount -t overlay -o "lowerdir=/mnt/open:$1" overlay "$1"
shift
exec "$@"
"""


def elsewhere() -> tuple[str, ...]:
    """What a command is run by. The year is another where faketime is installed; only root can have another user."""
    time = ("faketime", "2033-05-18 03:33:20") if shutil.which("faketime") else ()
    # setpriv comes last: before it, the program may be where only root can go.
    words = ("taskset", "-c", "0", *time, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    closed = _closed()
    return ("unshare", "--mount", "sh", "-eu", "-c", _OPEN, "sh", str(closed), *words) if closed else words


def _closed() -> Path | None:
    """The directory above this Python's program that others cannot enter, if there is one."""
    parents = Path(os.path.realpath(sys.executable)).parents
    return next((parent for parent in parents if not parent.stat().st_mode & stat.S_IXOTH), None)
