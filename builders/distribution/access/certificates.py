"""Make the TLS settings of a registry: the system's certificates, and those in containers-certs.d(5).

A directory `certs.d/HOST:PORT` of docker's or the container tools' configuration has certificates of authorities
(`*.crt`), and client certificates (`*.cert`) with their keys (`*.key`).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from fpack.builders.distribution.protocol import RepositoryError
from fpack.builders.net.connections import system_context
from fpack.xdg import base_directory


def directories(authority: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the directories of certificates for a host with its port, the most specific first."""
    if "/" in authority or authority in ("", ".", ".."):
        return []
    own = f"{base_directory('CONFIG', environ)}/containers/certs.d"
    tops = (own, "/etc/containers/certs.d", "/etc/docker/certs.d")
    return [f"{top}/{authority}" for top in tops]


def context(authority: str, environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return the TLS settings for a host with its port. Raise RepositoryError if a certificate cannot be read."""
    made = system_context()
    for directory in directories(authority, environ):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            path = f"{directory}/{name}"
            try:
                if name.endswith(".crt"):
                    made.load_verify_locations(path)
                elif name.endswith(".cert"):
                    made.load_cert_chain(path, f"{path.removesuffix('.cert')}.key")
            except (OSError, ssl.SSLError) as error:
                raise RepositoryError(
                    "A certificate for a registry cannot be read", where=path, why=error.strerror or str(error)
                ) from None
    return made
