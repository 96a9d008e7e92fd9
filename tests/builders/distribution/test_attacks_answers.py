"""Answers of buckets that expand when they are parsed."""

from __future__ import annotations

import pytest
from fpack.builders.distribution import bucket
from fpack.builders.distribution.protocol import Corrupt

LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "a key"><!ENTITY y "&x;&x;">]><a><Key>&y;</Key></a>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_that_declares_entities_is_refused_in_every_encoding(encoding: str) -> None:
    with pytest.raises(Corrupt):
        bucket._xml(LAUGHS.encode(encoding), "here")
    with pytest.raises(Corrupt):
        bucket._xml(b"<!-- x --><a/>" if encoding == "utf-8" else "<a/>".encode(encoding), "here")
    assert bucket._text(bucket._xml(b"<a><Key>k</Key></a>", "here"), "Key") == "k"
