"""Make archives of packages of languages."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping

GEM = b"""--- !ruby/object:Gem::Specification
name: rack
version: !ruby/object:Gem::Version
  version: 3.0.1
authors:
- Ann Lee
- "B\\xC3\\xB6b"
dependencies:
- !ruby/object:Gem::Dependency
  name: other
  version: 9
email: ann@example.org
homepage: https://rack.example.org/
licenses:
- MIT
summary: 'It''s short'
description: |-
  licenses: no
"""


def tar(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
