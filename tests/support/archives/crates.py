"""A registry of crates on the disk, with crates made for a test, and the lines of Cargo.lock that lock them.

registry = CrateRegistry(folder)
registry.add("greeting", "1.0.0", {"src/lib.rs": "..."})
with Server(folder) as server:
    registry.configure(cargo_home, server.url)
(project / "Cargo.lock").write_text(registry.lock + ...)
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpack.builders.net.language_packages.cargo import prefix_of

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


class CrateRegistry:
    """A directory with the files of a registry. lock: entries of Cargo.lock for all that was added."""

    def __init__(self, folder: Path, source: str = CRATES_IO) -> None:
        self.folder = folder
        self.source = source
        self.lock = ""
        folder.mkdir(parents=True, exist_ok=True)

    def configure(self, home: Path, url: str) -> None:
        """Write settings of cargo in which this registry replaces crates.io."""
        home.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps({"dl": f"{url}/dl/{{crate}}/{{version}}.crate"}))
        (home / "config.toml").write_text(
            f'[source.crates-io]\nreplace-with = "mirror"\n\n[source.mirror]\nregistry = "sparse+{url}/"\n'
        )

    def place(self, name: str, version: str) -> Path:
        """Return the path of the archive of a crate."""
        return self.folder / "dl" / name / f"{version}.crate"

    def add(
        self, name: str, version: str, files: Mapping[str, str], needs: Sequence[str] = (), rust: str | None = None
    ) -> str:
        """Have a crate, with a Cargo.toml unless `files` has one. Return its checksum. rust: which version it needs."""
        own = {"Cargo.toml": f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n', **files}
        data = crate({f"{name}-{version}/{path}": text for path, text in own.items()})
        self.place(name, version).parent.mkdir(parents=True, exist_ok=True)
        self.place(name, version).write_bytes(data)
        checksum = hashlib.sha256(data).hexdigest()
        rows: list[dict[str, Any]] = [
            {"name": need, "req": "*", "features": [], "optional": False, "default_features": True, "target": None,
             "kind": "normal"}
            for need in needs
        ]  # fmt: skip
        row: dict[str, Any] = {
            "name": name,
            "vers": version,
            "deps": rows,
            "cksum": checksum,
            "features": {},
            "rust_version": rust,
        }
        index = self.folder / prefix_of(name) / name
        index.parent.mkdir(parents=True, exist_ok=True)
        with index.open("a") as file:
            file.write(json.dumps({**row, "yanked": False}) + "\n")
        depends = f"dependencies = [{', '.join(map(json.dumps, needs))}]\n" if needs else ""
        self.lock += (
            f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "{self.source}"\n'
            f'checksum = "{checksum}"\n{depends}\n'
        )
        return checksum


def crate(files: Mapping[str, str], members: Sequence[tarfile.TarInfo] = ()) -> bytes:
    """Return an archive of these files, and of further members without content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for member in members:
            archive.addfile(member)
    return packed.getvalue()
