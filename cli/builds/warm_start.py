"""Answer `fpack build` from a cache, without click, the language or the scheduler.

An answer is cached with everything that its evaluation read. It is used only while all that is unchanged, the
installation is the same, and the path is valid. In all other cases the verb's own module does the work.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fpack.cli import option_table
from fpack.cli.workspace.evaluation import answers, log
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.store.path import StorePath

_UNCOMMON = {
    "explain",
    "check",
    "rounds",
    "expression",
    "together",
}  # options that need more than the path of the result


class BuildRequest(NamedTuple):
    """The request of a command line. link: the link to create; empty for none."""

    what: str | None = None
    link: str = "result"
    as_json: bool = False
    lock: str = ""
    arch: str = ""


def parse(words: Sequence[str]) -> BuildRequest | None:
    """Parse a command line without its verb. Return None if the verb's own module has to do the work."""
    parsed = option_table.parse(words, option_table.BUILD)
    if parsed is None or len(parsed[1]) > 1 or _UNCOMMON & parsed[0].keys():
        return None
    values, arguments = parsed
    link = "" if "no_link" in values else values.get("link", BuildRequest().link)
    what = arguments[0] if arguments else None
    return BuildRequest(what, link, "as_json" in values, values.get("lock", ""), values.get("arch", ""))


def main(words: Sequence[str]) -> int | None:
    """Answer `fpack build WORDS` from the cache. Return the exit status, or None if there is no answer."""
    request = parse(words)
    if request is None:
        return None
    with contextlib.suppress(FpackError, OSError):
        return _answer(request)
    return None


def _answer(request: BuildRequest) -> int | None:
    found = answers.read(name(request))
    if found is None:
        return None
    text, closure = found
    from fpack.store.collection.roots import add_link
    from fpack.store.path import parse as parse_path
    from fpack.store.store import Store

    path = parse_path(text)
    link = Path(request.link)
    if request.link and not link.is_symlink() and link.exists():
        return None
    store = Store()
    try:
        if not store.is_there(path) or not all(os.path.lexists(f"{store.root}/store/{name}") for name in closure):
            return None
        if request.link:
            store.settle()
            add_link(store.root, link, store.disk(path))
            # A garbage collection that began before the link existed may have deleted the path.
            if not store.is_there(path):
                return None
        show(path, store.disk(path), link if request.link else None, request.as_json)
        return 0
    finally:
        store.close()


def show(path: StorePath, disk: Path, link: Path | None, as_json: bool) -> None:
    """Print the result of a build."""
    if as_json:
        from fpack.cli.shared_options import print_json

        print_json(_as_json(path, disk, link))
    else:
        sys.stdout.write(f"{path}\n")


def show_several(
    members: Sequence[str],
    paths: Sequence[StorePath],
    disks: Sequence[Path],
    links: Sequence[Path | None],
    as_json: bool,
) -> None:
    """Print the results of a build of several outputs, by their member of a list or a record."""
    if not as_json:
        sys.stdout.write("".join(f"{path}\n" for path in paths))
        return
    from fpack.cli.shared_options import print_json

    rows = zip(members, paths, disks, links, strict=True)
    print_json({"members": {member: _as_json(path, disk, link) for member, path, disk, link in rows}})


def _as_json(path: StorePath, disk: Path, link: Path | None) -> dict[str, str | None]:
    return {"path": str(path), "disk": str(disk), "link": None if link is None else str(link.absolute())}


def name(request: BuildRequest) -> str:
    """Return the name of the answer to a request."""
    return log.question("build 2", (request.what or "",), request.lock, request.arch)
