"""Stand in for the package source, so that evaluations need neither the network nor a lock."""

from __future__ import annotations

from fpack.lang.protocols import NoPackage


class Archive:
    """A package source that has any package. No package depends on another one."""

    def releases(self, of: str = "debian") -> list[str]:
        """Return the only release."""
        return ["trixie"] if of == "debian" else []

    def package(self, release: str, name: str, arch: str = "") -> dict[str, object]:
        if release != "trixie":
            raise NoPackage(f"There is no release {release}")
        return {
            "name": name,
            "version": "1.0-1",
            "arch": "amd64",
            "release": release,
            "source": name,
            "file": f"pool/main/{name}_1.0-1_amd64.deb",
            "archive": "debian",
            "sha256": name.encode().hex()[:64].ljust(64, "0"),
            "size": 1000,
            "description": name,
            "section": "misc",
        }

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, object]]:
        """Return the packages themselves."""
        return [{**self.package(release, name, arch), "depends": []} for name in sorted(set(names))]
