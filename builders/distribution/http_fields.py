"""Read the header Retry-After, and add parameters to URLs."""

from __future__ import annotations

import time
from urllib.parse import quote


def retry_after(text: str) -> float | None:
    """Return the seconds that a header Retry-After asks to wait, given as a number or as a date."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def with_query(url: str, **fields: str) -> str:
    """Add parameters to a URL, which may have some."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    base, sharp, _ = url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}{added}" if added else base + sharp
