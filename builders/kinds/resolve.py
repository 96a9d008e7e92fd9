"""Build the `resolve` kind: let a project's build tool resolve its dependencies, and return them as a lock.

The phases run in the sandbox of builds, without a network. The socket `/build/repository` leads to a server of the
repositories (builders/net/language_packages/artifact_server.py), which records each file. The output is what the phases
write; they get the record from the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.artifact_server import ArtifactServer
from fpack.builders.protocol import BuildError, Built, BuiltAll, Task
from fpack.builders.sandbox.executor import Executor, RunResult, Work
from fpack.builders.sandbox.spec import Spec
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.path import StorePath

from .exec import ExecBuilder, ExecOptions

if TYPE_CHECKING:
    from .table import Services

VERSION = 1
SOCKET = "repository"  # in /build


class ResolveArgs(NamedTuple):
    """The arguments: those of `exec`, and the addresses of the repositories."""

    root: StorePath
    phases: tuple[Mapping[str, Value], ...]
    repositories: tuple[str, ...]
    shell: str | None = None
    env: Mapping[str, Value] | None = None
    limits: Value = None


class ResolveBuilder(ExecBuilder):
    """The builder of `resolve`.

    urls: maps the URL of a file to those to download from.
    """

    version = VERSION
    network = True

    def __init__(
        self, executor: Executor, options: ExecOptions, http: Http, urls: Callable[[str], Sequence[str]]
    ) -> None:
        super().__init__(executor, options)
        self._inner = executor
        self._http = http
        self._urls = urls

    def key(self, drv: Derivation) -> Value:
        """Return the version and the derivation. What repositories have is asked once for each derivation."""
        return ["resolve 1", super().key(drv)]

    def build(self, task: Task) -> Built | BuiltAll:
        """Run the phases beside a server of the repositories."""
        repositories = arguments.read(ResolveArgs, task.args).repositories
        server = ArtifactServer(repositories, task.scratch(), self._http, self._urls, task.check)
        running = ExecBuilder(_ServingExecutor(self._inner, server), self._options)
        try:
            return running.build(task)
        except BuildError as error:
            if server.failures:
                first = server.failures[0]
                raise error.with_(why=f"{first}\n{error.why}", hint=first.hint or error.hint) from None
            raise


class _ServingExecutor:
    """An executor that serves the repositories while a run lasts."""

    def __init__(self, inner: Executor, server: ArtifactServer) -> None:
        self._inner = inner
        self._server = server

    def prepare(self, spec: Spec, work: Work) -> None:
        self._inner.prepare(spec, work)

    def run(self, spec: Spec, work: Work) -> RunResult:
        self._server.listen(work.directory / "build" / SOCKET)
        try:
            return self._inner.run(spec, work)
        finally:
            self._server.close()

    def inside(self, spec: Spec, work: Work, command: tuple[str, ...]) -> int:
        return self._inner.inside(spec, work, command)


def make(services: Services) -> ResolveBuilder:
    from fpack.builders.sandbox.local_executor import LocalExecutor

    options = ExecOptions(services.keep_failed, files=services.files)
    return ResolveBuilder(LocalExecutor(), options, services.http(), services.origins)
