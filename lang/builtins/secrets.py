"""Define the builtins for secrets: the value that stands for one, which is not the secret itself."""

from __future__ import annotations

from fpack.lang.runtime.argument_checks import ArgumentError, text_of, wrong_type
from fpack.lang.runtime.values import Secret, Value, evaluated

_LONGEST = 64


def secret(name: Value, /) -> Value:
    """secret(name): Return what stands for a secret that the user keeps outside of the project, by its name. It can
    only be the `auth` of a `fetch`, or in it. It has no text: the secret is read when the file is downloaded.

        type(secret("GITLAB_TOKEN")) == "secret"
    """
    text = text_of(name)
    # A name of letters, digits and _ is an identifier if it does not begin with a digit; `re` takes long to import.
    is_name = text.isascii() and text.replace("-", "_").isidentifier() and not text.startswith("-")
    if not is_name or len(text) > _LONGEST:
        raise ArgumentError(
            name, "takes a name of at most 64 letters, digits, - and _, which does not begin with a digit"
        )
    return Secret(text)


def secret_name(value: Value, /) -> Value:
    """secret-name(x): Return the name of a secret. Only the library calls it.

    secret-name(secret("TOKEN")) == "TOKEN"
    """
    found = evaluated(value)
    if found.__class__ is not Secret:
        raise wrong_type(value, "a secret")
    return found.name
