"""Define the protocol of package sources, so that the language depends on no distribution."""

from __future__ import annotations

from fpack.light_typing import Any, Protocol
from fpack.store.errors import FpackError


class NoPackage(FpackError):
    """The error for a package that does not exist."""

    exit_code = 4
    absent = True


def is_absent(error: FpackError) -> bool:
    """Return whether an error means that a package does not exist.

    `release.NAME or default` and `has` treat such an error as an absent field. A package source that cannot import this
    module sets `absent = True` on its own class of error.
    """
    return getattr(error, "absent", False) is True


class PackageSource(Protocol):
    """A source of packages by release, at the locked versions.

    arch is Debian's name of an architecture; "" is that of the evaluation.

    A package is a dict with the keys name, version, arch, release, source, file, archive (such as `debian` or
    `debian-security`), sha256, size, description and section, and sha512 if the archive has it. sha256 may be "" then.
    """

    def releases(self, of: str = "debian") -> list[str]:
        """Return the names of the releases of a distribution, such as `ubuntu`."""

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        """Return a package; raise an error for which `is_absent` is true (such as NoPackage) if it does not exist."""

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        """Return packages with all their dependencies, sorted by name; each also has `depends`, a list of names."""
