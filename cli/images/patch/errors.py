"""Define the error of images that cannot be patched."""

from __future__ import annotations

from fpack.store.errors import FpackError


class CannotPatch(FpackError):
    """An image that cannot be made again from its manifest."""
