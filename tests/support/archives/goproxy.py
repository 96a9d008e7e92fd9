"""A proxy of Go modules on the disk, with modules made for a test, and the lines of go.sum that lock them.

proxy = GoProxy(folder)
proxy.add("example.org/Greeting", "v1.0.0", {"go.mod": "module example.org/Greeting\\n", "greeting.go": "..."})
(project / "go.sum").write_text(proxy.sums)
... GOPROXY=proxy.url ...
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path


class GoProxy:
    """A directory with the files of a proxy. sums: go.sum of all that was added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sums = ""

    @property
    def url(self) -> str:
        """The value of GOPROXY."""
        return self.folder.as_uri()

    def place(self, module: str, version: str, ending: str) -> Path:
        """Return the path of a file of a version of a module."""
        name = re.sub("[A-Z]", lambda match: f"!{match[0].lower()}", f"{module}/@v/{version}.{ending}")
        return self.folder / name

    def add(self, module: str, version: str, files: Mapping[str, str]) -> None:
        """Have a version of a module; `files` has a go.mod."""
        target = self.place(module, version, "zip")
        target.parent.mkdir(parents=True, exist_ok=True)
        packed = {f"{module}@{version}/{name}": text.encode() for name, text in files.items()}
        target.write_bytes(archive(packed))
        self.place(module, version, "mod").write_text(files["go.mod"])
        self.place(module, version, "info").write_text(f'{{"Version": "{version}"}}')
        self.sums += f"{module} {version} {h1(packed)}\n"
        self.sums += f"{module} {version}/go.mod {h1({'go.mod': files['go.mod'].encode()})}\n"


def archive(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as writer:
        for name, content in files.items():
            writer.writestr(name, content)
    return packed.getvalue()


def h1(files: Mapping[str, bytes]) -> str:
    """Return the hash that go.sum has of an archive of these files."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return f"h1:{base64.b64encode(hashlib.sha256(''.join(lines).encode()).digest()).decode()}"
