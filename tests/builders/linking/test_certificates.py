"""Test which built programs verify servers by the system's certificates."""

from __future__ import annotations

import pytest
from fpack.builders.linking.certificates import verifies
from fpack.builders.payload.meta import TreeEntry
from support.stores.slices import content, library, program, table

AT = "fpack/store/0-app"
TEXTS: dict[bytes, bytes] = {}


def _file(text: str, entry: TreeEntry | None = None) -> TreeEntry:
    entry = (entry or content())._replace(blake3=text.encode()[:32].ljust(32))
    TEXTS[entry.blake3] = text.encode()
    return entry


def _found(name: str, entry: TreeEntry) -> str | None:
    return verifies(table("app", {f"{AT}/{name}": entry}), lambda _, entry: TEXTS.get(entry.blake3, b""))


@pytest.mark.parametrize(
    ("name", "text", "uses"),
    [
        ("lib/a.py", "import os, ssl\n", True),
        ("lib/a.py", "    from urllib.request import urlopen\n", True),
        ("lib/a.py", "import sslib\n# import ssl\n", False),
        ("lib/a.js", "const https = require('https')\n", True),
        ("lib/a.js", "import tls from 'node:tls'\n", True),
        ("lib/a.js", "prefetch(x)\n", False),
        ("lib/a.rb", 'require "net/http"\n', True),
        ("lib/a.rb", "require 'set'\n", False),
        ("lib/a.txt", "import ssl\n", False),
        ("tests/test_a.py", "import ssl\n", False),
    ],
)
def test_code(name: str, text: str, uses: bool) -> None:
    assert _found(name, _file(text)) == (f"{AT}/{name}" if uses else None)


def test_compiled_programs() -> None:
    assert _found("bin/a", program("libc.so.6", "libssl.so.3")) == f"{AT}/bin/a"
    assert _found("bin/a", program()) is None
    assert _found("bin/a", _file("\0/etc/ssl/certs/ca-certificates.crt\0", program())) == f"{AT}/bin/a"
    assert _found("lib/b.so", library()) is None
