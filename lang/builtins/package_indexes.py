"""Builtins that read the indexes of Debian's and Ubuntu's packages."""

from __future__ import annotations

from collections.abc import Callable

from fpack.lang.errors import Fault
from fpack.lang.protocols import PackageSource
from fpack.lang.runtime.argument_checks import strings_of, text_of
from fpack.lang.runtime.values import Value


def functions(packages: PackageSource | None) -> dict[str, Callable[..., Value]]:
    """Return the builtins by name. packages: None if there are none."""

    def source() -> PackageSource:
        if packages is None:
            raise Fault("There are no packages here", why="no package source was set up")
        return packages

    def releases() -> Value:
        """debian-releases(): Return the names of the Debian releases of the package source."""
        return list(source().releases())

    def ubuntu_releases() -> Value:
        """ubuntu-releases(): Return the names of the Ubuntu releases of the package source."""
        return list(source().releases("ubuntu"))

    def package(release: Value, name: Value, arch: Value = "", /) -> Value:
        """debian-package(release, name, arch): Return the index record of a package, at the locked version."""
        return dict(source().package(text_of(release), text_of(name), text_of(arch)))

    def closure(release: Value, names: Value, arch: Value = "", /) -> Value:
        """debian-closure(release, names, arch): Return packages with all their dependencies, sorted by name."""
        return [dict(p) for p in source().closure(text_of(release), strings_of(names), text_of(arch))]

    return {
        "debian-releases": releases,
        "ubuntu-releases": ubuntu_releases,
        "debian-package": package,
        "debian-closure": closure,
    }
