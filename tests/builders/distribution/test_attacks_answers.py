"""Documents of buckets, layouts and mirrors that expand when they are parsed."""

from __future__ import annotations

import pytest
from fpack.builders.distribution import bucket, layout_index
from fpack.builders.distribution.protocol import Corrupt
from fpack.builders.mirrors import kept_lock
from fpack.builders.streams import strict_json

LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "a key"><!ENTITY y "&x;&x;">]><a><Key>&y;</Key></a>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_that_declares_entities_is_refused_in_every_encoding(encoding: str) -> None:
    with pytest.raises(Corrupt):
        bucket._xml(LAUGHS.encode(encoding), "here")
    with pytest.raises(Corrupt):
        bucket._xml(b"<!-- x --><a/>" if encoding == "utf-8" else "<a/>".encode(encoding), "here")
    assert bucket._text(bucket._xml(b"<a><Key>k</Key></a>", "here"), "Key") == "k"


@pytest.mark.parametrize("text", [b"{}", b"[]", b"1", b'"a"'])
def test_a_document_of_too_many_values_is_refused_before_it_is_parsed(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_json, "MAX_VALUES", 100)
    data = b'{"manifests":[' + text + (b"," + text) * 200 + b"]}"
    with pytest.raises(Corrupt, match="not JSON"):
        layout_index.RefIndex(data, "here")
    with pytest.raises(Corrupt, match="not JSON"):
        kept_lock.parse(data, "here", 1 << 20)
