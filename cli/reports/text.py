"""Make text of others visible and bounded: no control character, no override of the direction, no endless name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

MAX_TEXT = 2000  # characters of a text in a page
MAX_ADDRESS = 500
# Marks that take no room or stack without end are shown as their code points, except one after a letter.
_MARKS = 2


def visible(text: str, limit: int = MAX_TEXT) -> str:
    r"""Return text with each invisible character as its escape, as in \x1b or \u202e, and at most `limit` characters.

    Bytes that are not UTF-8 (surrogates) become \xNN. A text that is too long keeps its beginning and its end, and
    tells how much is left out.
    """
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]} […{len(text) - 2 * half} characters…] {text[-half:]}"
    if text.isascii() and text.isprintable():
        return text
    made, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        made.append(letter if letter.isprintable() and marks <= _MARKS else _escaped(letter))
    return "".join(made)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode kept
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def web_address(text: str) -> str:
    """Return the address of a web page, or "" if the text is none that a page may link to."""
    if not text.startswith(("https://", "http://")) or len(text) > MAX_ADDRESS or not text.isascii():
        return ""
    if not text.isprintable() or any(letter in text for letter in " \"'<>\\`{}|^"):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.hostname and "@" not in parts.netloc else ""


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return the first names of a sequence, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
