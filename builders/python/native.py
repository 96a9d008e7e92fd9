"""Name the Debian packages that builds of Python packages need, by the names of these packages.

Only what a build needs besides Python's own build requirements is here: compilers, libraries with headers, programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

COMPILERS = ("gcc", "g++", "libc6-dev", "python3-dev", "pkgconf")
_RUST = ("cargo", "rustc")

# Build requirements that call programs which no wheel has.
_BACKENDS: Mapping[str, Sequence[str]] = {
    "meson-python": ("meson", "ninja-build", "patchelf"),
    "mesonpy": ("meson", "ninja-build", "patchelf"),
    "scikit-build": ("cmake", "make", "ninja-build"),
    "scikit-build-core": ("cmake", "make", "ninja-build"),
    "py-build-cmake": ("cmake", "make", "ninja-build"),
    "maturin": _RUST,
    "setuptools-rust": _RUST,
    "swig": ("swig",),
    "sip": ("make",),
    "pbr": (),
}

# Packages whose source distributions compile against a library.
_LIBRARIES: Mapping[str, Sequence[str]] = {
    "bcrypt": _RUST,
    "cffi": ("libffi-dev",),
    "cryptography": (*_RUST, "libssl-dev", "libffi-dev"),
    "dbus-python": ("libdbus-1-dev", "libglib2.0-dev", "meson", "ninja-build", "patchelf"),
    "gevent": ("libc-ares-dev", "libev-dev", "libuv1-dev", "make"),
    "gmpy2": ("libgmp-dev", "libmpc-dev", "libmpfr-dev"),
    "gssapi": ("krb5-config", "libkrb5-dev"),
    "h5py": ("libhdf5-dev",),
    "hiredis": (),
    "igraph": ("bison", "cmake", "flex", "make"),
    "kerberos": ("libkrb5-dev",),
    "lxml": ("libxml2-dev", "libxslt1-dev"),
    "m2crypto": ("libssl-dev", "swig"),
    "mariadb": ("libmariadb-dev",),
    "mysqlclient": ("default-libmysqlclient-dev",),
    "netcdf4": ("libhdf5-dev", "libnetcdf-dev"),
    "pillow": ("libfreetype-dev", "libjpeg-dev", "libtiff-dev", "libwebp-dev", "zlib1g-dev"),
    "psycopg2": ("libpq-dev", "perl-base"),  # its pg_config is a script of Perl
    "psycopg-c": ("libpq-dev", "perl-base"),
    "pyaudio": ("portaudio19-dev",),
    "pycairo": ("libcairo2-dev", "meson", "ninja-build"),
    "pycups": ("libcups2-dev",),
    "pycurl": ("libcurl4-openssl-dev", "libssl-dev"),
    "pygit2": ("libgit2-dev",),
    "pygobject": ("libcairo2-dev", "libgirepository-2.0-dev", "meson", "ninja-build"),
    "pygraphviz": ("libgraphviz-dev",),
    "pymssql": ("freetds-dev",),
    "pynacl": ("libffi-dev", "libsodium-dev", "make"),
    "pyodbc": ("unixodbc-dev",),
    "pysqlite3": ("libsqlite3-dev",),
    "python-ldap": ("libldap-dev", "libsasl2-dev"),
    "python-snappy": ("libsnappy-dev",),
    "pyyaml": ("libyaml-dev",),
    "pyzmq": ("cmake", "libzmq3-dev", "ninja-build"),
    "rpy2": ("r-base-dev",),
    "smbus-cffi": ("libffi-dev",),
    "systemd-python": ("libsystemd-dev",),
    "tables": ("libblosc-dev", "libhdf5-dev"),
    "uwsgi": (),
    "xmlsec": ("libxml2-dev", "libxmlsec1-dev"),
}


def tools_for(built: Iterable[str], requires: Iterable[str]) -> list[str]:
    """Return the Debian packages for builds. built: packages that are compiled. requires: what their builds require."""
    found: dict[str, None] = {}
    for name in built:
        found.update(dict.fromkeys(_LIBRARIES.get(name, ())))
    for name in requires:
        found.update(dict.fromkeys(_BACKENDS.get(name, ())))
    return sorted(found)


def crates_of(requires: Iterable[str]) -> list[str]:
    """Return the requirements of a build that compile Rust, whose crates no Python lock has."""
    return sorted({name for name in requires if name in ("maturin", "setuptools-rust")})
