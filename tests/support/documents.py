"""Compare JSON documents with expected ones, which are kept in a readable form."""

from __future__ import annotations

import json
import os
from pathlib import Path


def check_canonical(data: bytes) -> None:
    """Check that a document has sorted keys, no white space, and no character escaped without need."""
    value = json.loads(data)
    assert data == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_expected(data: bytes, path: Path) -> None:
    """Compare a document with the one at `path`, which FPACK_WRITE_EXPECTED=1 writes if it does not exist."""
    value = json.loads(data)
    if os.environ.get("FPACK_WRITE_EXPECTED") and not path.exists():
        path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    assert value == json.loads(path.read_text())
