"""Keep what an evaluation gave for a request, with everything that it read, to answer the request again without it.

An answer counts only while all that is unchanged and the installation is the same.
"""

from __future__ import annotations

import marshal
import os
import time
from pathlib import Path

from fpack.cli.paths import PROJECT_FILE, cache_home
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store import DAY
from fpack.store.files import disk_cache

from . import log

if TYPE_CHECKING:
    from fpack.cli.workspace.target import Target
    from fpack.cli.workspace.workspace import Workspace


def read(name: str) -> tuple[Any, ...] | None:
    """Return the answer to a request, as `AnswerRecorder.keep` got it, or None. name: as `log.question` gives."""
    data = disk_cache.read(_directory(), name)
    if data is None:
        return None
    try:
        inputs, *answer = marshal.loads(data)
        return tuple(answer) if log.unchanged(log.EvaluationInputs(*inputs), time.time()) else None
    except (ValueError, TypeError, EOFError):
        return None


class AnswerRecorder:
    """A recorder of the answer to a request. name: as `log.question` gives, or "" to record nothing.

    Enter it around the evaluation, and call `evaluated` at the end of that. Call `keep` when everything is built and
    written.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._recorder = log.Recorder()
        self._began = 0.0
        self._read: log.EvaluationInputs | None = None

    def __enter__(self) -> AnswerRecorder:
        if self._name:
            self._recorder.__enter__()
            self._began = time.time()
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.stop()

    def evaluated(self, workspace: Workspace, target: Target) -> None:
        """Record the evaluation's inputs, before anything else changes."""
        if not self._name:
            return
        installed = log.installation()
        evaluator = workspace.evaluator
        if not installed or evaluator.through_links() or evaluator.has_messages:
            return  # an answer would not print the messages of the evaluation again
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
        inputs = self._recorder.read(directories, also, time.time() + DAY if own_lock else 0)
        seen = [signature for _, signature, _ in inputs.files] + [signature for _, signature in inputs.directories]
        # A file that changed meanwhile may have been read before or after the change.
        if all(signature[2] < self._began * 1e9 for signature in seen if signature):
            self._read = inputs

    def keep(self, *answer: Any) -> None:
        """Keep an answer of plain values."""
        # A lock that was just written is not the one that was read.
        if self._read is not None and log.unchanged(self._read, time.time()):
            disk_cache.write(_directory(), self._name, marshal.dumps((log.plain(self._read), *answer)))


def _directory() -> Path:
    return Path(cache_home(), "builds")
