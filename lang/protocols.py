"""Where the language gets packages from: a protocol, so that it knows no distribution."""

from __future__ import annotations

from typing import Any, Protocol

from fpack.store.errors import FpackError


class NoPackage(FpackError):
    """There is no package of that name."""

    exit_code = 4
    absent = True


def is_absent(error: FpackError) -> bool:
    """Whether an error says that a package does not exist, which `release.NAME or default` and `has` take as absence.

    A source that cannot know this room marks its own class of error with `absent = True`.
    """
    return getattr(error, "absent", False) is True


class PackageSource(Protocol):
    """Packages of releases, at the versions that are locked.

    A package is a dict with the keys name, version, arch, release, source, file, archive (`debian` or
    `debian-security`), sha256, size, description and section.
    """

    def releases(self) -> list[str]:
        """The names of the releases."""
        ...

    def package(self, release: str, name: str) -> dict[str, Any]:
        """The package; an error for which `is_absent` holds (NoPackage, with a hint) if there is none."""
        ...

    def closure(self, release: str, names: list[str]) -> list[dict[str, Any]]:
        """The packages and all that they depend on, sorted by name; each has `depends`, a list of names, as well."""
        ...
