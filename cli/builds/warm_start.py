"""Answer `fpack build` from a cache, without click, the language or the scheduler.

An answer is cached with everything that its evaluation read. It is used only while all that is unchanged, the
installation is the same, and the path is valid. In all other cases the verb's own module does the work.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from fpack.cli import option_table
from fpack.cli.paths import PROJECT_FILE, cache_home
from fpack.cli.workspace.evaluation import log as evaluation_log
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store import DAY
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.workspace.target import Target
    from fpack.cli.workspace.workspace import Workspace
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
    from fpack.store.files import disk_cache

    data = disk_cache.read(_directory(), _name(request))
    if data is None:
        return None
    try:
        read, text, closure = marshal.loads(data)
        if not evaluation_log.unchanged(evaluation_log.EvaluationInputs(*read), time.time()):
            return None
    except (ValueError, TypeError, EOFError):
        return None
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


def _directory() -> Path:
    return Path(cache_home(), "builds")


def _name(request: BuildRequest) -> str:
    return evaluation_log.question("build 2", (request.what or "",), request.lock, request.arch)


class AnswerRecorder:
    """A recorder of the answer to a request; it does nothing if the request is None.

    Enter it around the evaluation, and call `evaluated` at the end of that. Call `keep` when everything is built and
    written.
    """

    def __init__(self, request: BuildRequest | None) -> None:
        self._request = request
        self._recorder = evaluation_log.Recorder()
        self._began = 0.0
        self._read: evaluation_log.EvaluationInputs | None = None

    def __enter__(self) -> AnswerRecorder:
        if self._request is not None:
            self._recorder.__enter__()
            self._began = time.time()
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.stop()

    def evaluated(self, workspace: Workspace, target: Target) -> None:
        """Record the evaluation's inputs, before anything else changes."""
        installed = evaluation_log.installation()
        evaluator = workspace.evaluator
        if self._request is None or not installed or evaluator.through_links() or evaluator.has_messages:
            return  # an answer from the cache would not print the messages of the evaluation again
        import fpack.pkgs
        from fpack.lang import std

        self._recorder.stop()
        directories = [os.path.realpath(next(iter(entry.__path__))) for entry in (std, fpack.pkgs)]
        also = [*installed, os.path.abspath(workspace.lock_file)]
        home = target.project or (target.file.parent if target.file is not None else None)
        if target.file is not None:
            also.append(os.path.realpath(target.file))
        if home is not None:
            directories.append(os.path.realpath(home))
            also.append(os.path.join(os.path.realpath(home), PROJECT_FILE))
        own_lock = target.project is None and workspace.options.lock is None
        read = self._recorder.read(directories, also, time.time() + DAY if own_lock else 0)
        seen = [signature for _, signature, _ in read.files] + [signature for _, signature in read.directories]
        # A file that changed meanwhile may have been read before or after the change.
        if all(signature[2] < self._began * 1e9 for signature in seen if signature):
            self._read = read

    def keep(self, path: StorePath, closure: Iterable[StorePath]) -> None:
        """Cache the path as the answer, with the paths that it needs: the answer holds while all are on the disk."""
        # A lock that was just written is not the one that was read.
        if self._request is not None and self._read is not None and evaluation_log.unchanged(self._read, time.time()):
            from fpack.store.files import disk_cache

            disk_cache.write(
                _directory(),
                _name(self._request),
                marshal.dumps((evaluation_log.plain(self._read), str(path), [entry.base for entry in closure])),
            )
