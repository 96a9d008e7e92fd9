"""Define the errors of files that hold keys."""

from __future__ import annotations

from fpack.store.errors import FpackError


class KeyFileError(FpackError):
    """A file that is not a usable key."""


class PassphraseNeeded(KeyFileError):
    """A private key that is encrypted, and no passphrase was given."""
