"""Read objects of a project's git repository by git's plumbing.

git reads no working tree and writes nothing, so that no hook, filter, attribute or monitor of the repository runs, and
nothing is fetched.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fpack.store import processes
from fpack.store.processes import Completed

SECONDS = 60.0
_DIGEST = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


def repository(directory: Path) -> Path | None:
    """Return the top directory of the working tree that a directory is in, without symlinks, or None."""
    real = Path(os.path.realpath(directory))
    return next((path for path in (real, *real.parents) if (path / ".git").exists()), None)


def run(top: Path, *words: str) -> Completed:
    """Run a command of git on the repository at `top`. Raise OSError if git cannot be run, or takes too long."""
    return processes.run("git", [f"--git-dir={top}/.git", *words], seconds=SECONDS)


def find_object(top: Path, revision: str) -> str | None:
    """Return the digest of the object that a revision names, or None."""
    done = run(top, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
    digest = done.output.strip()
    return digest.decode() if done.status == 0 and _DIGEST.match(digest) else None
