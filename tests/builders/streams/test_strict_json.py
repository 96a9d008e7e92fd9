"""JSON of others: what parsers differ on is refused, and a short document does not take much memory."""

from __future__ import annotations

import pytest
from fpack.builders.streams import strict_json


@pytest.mark.parametrize("text", [b"1e999", b"[-1e400]", b"NaN", b"Infinity", b'{"a": 1, "a": 2}', b'"\\ud800"'])
def test_ambiguous_documents_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        strict_json.parse(text)
    assert strict_json.parse(b"[1e9, 0.5, -2]") == [1e9, 0.5, -2]


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b"[[]],"])
def test_a_document_of_very_many_values_is_refused(piece: bytes) -> None:
    """Each empty list of three bytes would take sixty."""
    with pytest.raises(ValueError, match="values"):
        strict_json.parse(b"[" + piece * (strict_json.MAX_VALUES + 1) + b"0]")
    assert len(strict_json.parse(b'["' + b"," * 3_000 + b'"]')[0]) == 3_000
