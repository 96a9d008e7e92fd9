"""Another user, another number of cores and another year, to build the same in.

other = Fpack(place, prefix=elsewhere(place))     # place belongs to NOBODY

It is another year for what runs in fpack's sandbox: bubblewrap is called by a script that puts faketime's library
before every program there. Programs that are linked statically, as Go's are, see the clock as it is. For fpack itself
it is another day: in another year, servers cannot prove who they are.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from fpack.builders.sandbox.bwrap import find_bwrap

NOBODY = 65534

# In a mount namespace of its own, a directory that only root may enter lets everybody through.
_OPEN = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -m 755 /mnt/open
mount -t overlay -o "lowerdir=/mnt/open:$1" overlay "$1"
shift
exec "$@"
"""


# The library does not show other times of files: what is made has the kernel's, and make compares them.
_BWRAP = """#!/bin/sh
[ "$1" = --args ] || exec {bwrap} "$@"
options=$2
shift 2
exec {bwrap} --args "$options" --ro-bind {library} /tmp/.faketime.so --setenv LD_PRELOAD /tmp/.faketime.so \\
  --setenv FAKETIME +2400d --setenv NO_FAKE_STAT 1 --setenv FAKETIME_DONT_FAKE_MONOTONIC 1 "$@"
"""


def elsewhere(place: Path) -> tuple[str, ...]:
    """Return words before a command that run it as on another machine."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("faketime is not installed")
    script = place / "bin" / "bwrap"
    script.parent.mkdir()
    script.write_text(_BWRAP.format(bwrap=find_bwrap(), library=library))
    script.chmod(0o755)
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # faketime is the user's: it deletes the memory that its library made, which root's would not be.
    time = ("env", f"PATH={script.parent}:{os.environ['PATH']}", "faketime", "-f", "+20h")
    words = ("taskset", "-c", "0", *user, *time)
    closed = _closed()
    return ("unshare", "--mount", "sh", "-eu", "-c", _OPEN, "sh", str(closed), *words) if closed else words


def _closed() -> Path | None:
    """Return the directory above this Python's program that others cannot enter, if there is one."""
    parents = Path(os.path.realpath(sys.executable)).parents
    return next((parent for parent in parents if not parent.stat().st_mode & stat.S_IXOTH), None)
