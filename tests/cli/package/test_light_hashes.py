"""Test that small data has the digests of hashlib, with and without CPython's own modules."""

from __future__ import annotations

import hashlib
import sys

import pytest
from fpack import light_hashes


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_digests_are_those_of_hashlib(size: int, absent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(size)
    sha256, blake2b = hashlib.sha256(data).digest(), hashlib.blake2b(data, digest_size=16).digest()
    if absent:
        monkeypatch.setattr(light_hashes, "_OWN", {"sha256": ("_no_such_module",), "blake2b": ("_no_such_module",)})
    monkeypatch.delitem(sys.modules, "hashlib")
    monkeypatch.setattr(light_hashes, "_left", 1 << 20)
    assert light_hashes.blake2b(data, 16).digest() == blake2b
    monkeypatch.setattr(light_hashes, "_left", 1 << 20)
    state = light_hashes.sha256(size=size)
    assert ("hashlib" in sys.modules) == (absent or size > 1 << 20)
    state.update(data)
    assert state.digest() == sha256 == light_hashes.sha256(data).digest()
    assert "hashlib" in sys.modules or size <= (1 << 20) // 2
