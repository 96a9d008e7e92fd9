"""Find out whether built programs verify servers by the system's certificates.

Neither the ELF tables nor the imports of a program name the certificates. So the evidence is a library for TLS, the
directory of the certificates in the program's bytes, or a statement of its code that loads such a library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable

from . import languages
from .required_files import is_function

PACKAGE = "ca-certificates"
_LIBRARY = re.compile(r"lib(?:ssl|gnutls(?:-openssl)?|curl(?:-gnutls)?|mbedtls|wolfssl|tls)\.so(?:\.|\Z)")
_DIRECTORY = b"/etc/ssl/certs"  # in programs of Go and Rust, which have a TLS library of their own
# The statements by which code loads what opens TLS connections.
_CODE: Mapping[str, re.Pattern[bytes]] = {
    "python": re.compile(
        rb"^[ \t]*(?:import[ \t]++(?:[\w., \t]*,[ \t]*)?|from[ \t]+)(?:ssl|http\.client|urllib\.request)\b",
        re.MULTILINE,
    ),
    "node": re.compile(rb"['\"](?:node:)?(?:https|tls|http2)['\"]|(?<![\w.$])fetch\("),
    "ruby": re.compile(rb"^[ \t]*require[ \t(]+['\"](?:net/https?|open-uri|openssl)['\"]", re.MULTILINE),
    "perl": re.compile(rb"^[ \t]*(?:use|require)[ \t]+(?:IO::Socket::SSL|LWP|HTTP::Tiny|Net::SSLeay)\b", re.MULTILINE),
    "php": re.compile(rb"\b(?:curl_init|stream_socket_client|fsockopen)\s*\("),
}

Read = Callable[[SliceTable, TreeEntry], bytes]


def verifies(table: SliceTable, read: Read) -> str | None:
    """Return the first file of a built package that verifies servers by the system's certificates, or None."""
    code = ((languages.language_of(entry), entry) for entry in table.entries.values() if is_function(entry.path))
    for language, entry in sorted(code, key=lambda item: item[1].path):
        if entry.facts is not None and entry.facts.machine:
            if any(_LIBRARY.match(name.rpartition("/")[2]) for name in entry.facts.needed):
                return entry.path
            if entry.executable and _DIRECTORY in read(table, entry):
                return entry.path
        elif language is not None and (pattern := _CODE.get(language.name)) and pattern.search(read(table, entry)):
            return entry.path
    return None
