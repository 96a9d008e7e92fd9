"""Where the language gets packages from: a protocol, so that it knows no distribution."""

from __future__ import annotations

from typing import Any, Protocol

from fpack.store.errors import FpackError


class NoPackage(FpackError):
    """There is no package of that name. `release.NAME or default` and `has` take it as an absent field."""

    exit_code = 3


class PackageSource(Protocol):
    """Packages of releases, at the versions that are locked.

    A package is a dict with the keys name, version, arch, release, source, file, archive (`debian` or
    `debian-security`), sha256, size, description and section.
    """

    def releases(self) -> list[str]:
        """The names of the releases."""
        ...

    def package(self, release: str, name: str) -> dict[str, Any]:
        """The package; NoPackage (with a hint, if a name is near) if the release has none of that name."""
        ...

    def closure(self, release: str, names: list[str]) -> list[dict[str, Any]]:
        """The packages and all that they depend on, sorted by name; each has `depends`, a list of names, as well."""
        ...
