"""Read objects of a project's git repository by git's plumbing.

git reads no working tree and writes nothing, so that no hook, filter, attribute or monitor of the repository runs, and
nothing is fetched.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.store import processes
from fpack.store.processes import ProgramResult

SECONDS = 60.0  # until git must have answered
NO_REPOSITORY = "the directory is not in a git repository"
SOURCE, REVISION = "org.opencontainers.image.source", "org.opencontainers.image.revision"
MAX_URL = 1000
_DIGEST = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


def repository(directory: Path) -> Path | None:
    """Return the top directory of the working tree that a directory is in, without symlinks, or None."""
    real = Path(os.path.realpath(directory))
    return next((path for path in (real, *real.parents) if (path / ".git").exists()), None)


def run(top: Path, *words: str) -> ProgramResult:
    """Run a command of git on the repository at `top`. Raise OSError if git cannot be run, or takes too long."""
    return processes.run("git", [f"--git-dir={top}/.git", *words], seconds=SECONDS)


def commit_annotations(directory: Path) -> dict[str, str]:
    """Return the OCI annotations of the checkout that a directory is in: its commit, and its remote if it has one.

    Credentials in the address of the remote are left out. Raise UsageError if there is no checkout or no commit.
    """
    top = repository(directory)
    revision = find_object(top, "HEAD^{commit}") if top is not None else None
    if top is None or revision is None:
        why = NO_REPOSITORY if top is None else "its repository has no commit"
        raise UsageError("There is no commit to name in the image", where=str(directory), why=why)
    found = {REVISION: revision}
    done = run(top, "config", "--get", "remote.origin.url")
    url = done.output.decode("utf-8", "replace").strip()
    if done.status == 0 and url and len(url) <= MAX_URL and url.isprintable():
        found[SOURCE] = without_credentials(url)
    return found


def without_credentials(url: str) -> str:
    """Return the address of a repository without a password, and for HTTP without a user."""
    scheme, sign, rest = url.partition("://")
    if not sign:
        return url  # HOST:PATH and local paths have no passwords
    host, slash, path = rest.partition("/")
    user, at, name = host.rpartition("@")
    if at and scheme not in ("http", "https"):
        name = f"{user.partition(':')[0]}@{name}"
    return f"{scheme}://{name}{slash}{path}"


def find_object(top: Path, revision: str) -> str | None:
    """Return the digest of the object that a revision names, or None."""
    done = run(top, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
    digest = done.output.strip()
    return digest.decode() if done.status == 0 and _DIGEST.match(digest) else None
