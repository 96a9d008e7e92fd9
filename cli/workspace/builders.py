"""What makes each kind of derivation, wired to a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpack.builders.protocol import Builder

    from .workspace import Workspace


class Kinds(Mapping[str, "Builder"]):
    """The builder kinds, each imported when a derivation of it is to be built."""

    KINDS = (
        "deb",
        "exec",
        "fetch",
        "files",
        "gomod",
        "image",
        "layer",
        "manifest",
        "npm",
        "pypi",
        "root",
        "slice",
        "source",
        "text",
    )

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._made: dict[str, Builder] = {}

    def __getitem__(self, kind: str) -> Builder:
        if kind not in self.KINDS:
            raise KeyError(kind)
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self.KINDS)

    def __len__(self) -> int:
        return len(self.KINDS)

    def _make(self, kind: str) -> Builder:
        from importlib import import_module

        if kind == "manifest":
            from fpack.builders.kinds.manifest import Manifest, StoreGraph

            return Manifest(StoreGraph(self._workspace.store))
        module = import_module(f"fpack.builders.kinds.{kind}")
        make: Any = getattr(module, kind.capitalize())
        if kind == "exec":
            from fpack.builders.kinds.exec import Exec
            from fpack.builders.kinds.exec import Options as ExecOptions
            from fpack.builders.sandbox.local_executor import Local

            keep = self._workspace.options.keep_failed or self._workspace.options.shell_on_failure
            return Exec(Local(), ExecOptions(keep))
        if kind == "fetch":
            from fpack.builders.net.http import Http

            builder: Builder = make(Http(), self._workspace.origins, self._workspace.missing)
        elif kind in ("npm", "pypi"):
            from fpack.builders.net.http import Http

            builder = make(Http(), self._workspace.origins)
        elif kind == "gomod":
            from fpack.builders.net.http import Http

            builder = make(Http())
        elif kind == "source":
            builder = make(self._workspace.evaluator.source_paths)
        else:
            builder = make()
        return builder
