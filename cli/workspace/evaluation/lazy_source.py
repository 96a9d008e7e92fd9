"""Give the evaluator a package source that is created when the first package is requested."""

from __future__ import annotations

from fpack.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace


class LazySource:
    """The package source, created when the first package is requested."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def releases(self, of: str = "debian") -> list[str]:
        return self._workspace.source.releases(of)

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        return self._workspace.source.package(release, name, arch)

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        return self._workspace.source.closure(release, names, arch)
