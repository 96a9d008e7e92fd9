"""Tell what well-known crates need of Debian: libraries of `-sys` crates, and programs that build scripts run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .guess import few, text

# Crate: the packages with the library that it links with. A crate that compiles its own copy is not listed.
LIBRARIES: Mapping[str, Sequence[str]] = {
    "alsa-sys": ("libasound2-dev",),
    "atk-sys": ("libatk1.0-dev",),
    "cairo-sys-rs": ("libcairo2-dev",),
    "curl-sys": ("libcurl4-openssl-dev", "zlib1g-dev"),
    "expat-sys": ("libexpat1-dev",),
    "freetype-sys": ("libfreetype-dev",),
    "fuser": ("libfuse3-dev",),
    "gdk-pixbuf-sys": ("libgdk-pixbuf-2.0-dev",),
    "gdk-sys": ("libgtk-3-dev",),
    "gdk4-sys": ("libgtk-4-dev",),
    "gio-sys": ("libglib2.0-dev",),
    "glib-sys": ("libglib2.0-dev",),
    "gobject-sys": ("libglib2.0-dev",),
    "gstreamer-sys": ("libgstreamer1.0-dev",),
    "gtk-sys": ("libgtk-3-dev",),
    "gtk4-sys": ("libgtk-4-dev",),
    "hidapi": ("libudev-dev",),
    "javascriptcore-rs-sys": ("libjavascriptcoregtk-4.1-dev",),
    "krb5-sys": ("libkrb5-dev",),
    "libadwaita-sys": ("libadwaita-1-dev",),
    "libdbus-sys": ("libdbus-1-dev",),
    "libgphoto2-sys": ("libgphoto2-dev",),
    "libgssapi-sys": ("libkrb5-dev",),
    "libpulse-sys": ("libpulse-dev",),
    "libseccomp-sys": ("libseccomp-dev",),
    "libsodium-sys": ("libsodium-dev",),
    "libsqlite3-sys": ("libsqlite3-dev",),
    "libssh2-sys": ("libssh2-1-dev",),
    "libsystemd-sys": ("libsystemd-dev",),
    "libudev-sys": ("libudev-dev",),
    "libusb1-sys": ("libusb-1.0-0-dev",),
    "libwebp-sys2": ("libwebp-dev",),
    "libxml": ("libxml2-dev",),
    "mysqlclient-sys": ("libmariadb-dev",),
    "ncurses": ("libncurses-dev",),
    "nettle-sys": ("nettle-dev", "libclang-dev"),
    "openssl-sys": ("libssl-dev",),
    "pam-sys": ("libpam0g-dev",),
    "pango-sys": ("libpango1.0-dev",),
    "pcap": ("libpcap-dev",),
    "pq-sys": ("libpq-dev",),
    "readline-sys": ("libreadline-dev",),
    "sdl2-sys": ("libsdl2-dev",),
    "selinux-sys": ("libselinux1-dev", "libclang-dev"),
    "soup3-sys": ("libsoup-3.0-dev",),
    "tss-esapi-sys": ("libtss2-dev",),
    "wayland-sys": ("libwayland-dev",),
    "webkit2gtk-sys": ("libwebkit2gtk-4.1-dev",),
    "x11": ("libx11-dev",),
    "yeslogic-fontconfig-sys": ("libfontconfig-dev",),
}
# Crate: the packages with programs and compilers that its build script, or that of crates that use it, runs.
TOOLS: Mapping[str, Sequence[str]] = {
    "aws-lc-sys": ("cmake",),
    "bindgen": ("libclang-dev",),
    "clang-sys": ("libclang-dev",),
    "cmake": ("cmake", "make"),
    "cxx-build": ("g++",),
    "link-cplusplus": ("g++",),
    "librocksdb-sys": ("g++", "libclang-dev"),
    "pkg-config": ("pkgconf",),
    "system-deps": ("pkgconf",),
    "prost-build": ("protobuf-compiler",),
    "protobuf-codegen": ("protobuf-compiler",),
    "tikv-jemalloc-sys": ("make",),
    "jemalloc-sys": ("make",),
    "v8": ("g++", "python3"),
}
# Crates that need no package of a crate above if they are among the lock, since they compile the library.
BUNDLED = {"openssl-src": "openssl-sys"}


class CrateNeeds(NamedTuple):
    """Fields of the package, and the reasons for them."""

    fields: Sequence[tuple[str, str]]
    reasons: Sequence[str]


def needs_of(crates: Iterable[Mapping[str, Any]]) -> CrateNeeds:
    """Return what the crates of a lock need of Debian."""
    names = {str(crate["name"]) for crate in crates}
    names -= {replaced for source, replaced in BUNDLED.items() if source in names}
    tools = sorted({package for name in names for package in TOOLS.get(name, ())})
    libraries = sorted({package for name in names for package in LIBRARIES.get(name, ())} - set(tools))
    fields, reasons = [], []
    for field, packages, table in (("tools", tools, TOOLS), ("libs", libraries, LIBRARIES)):
        if packages:
            fields.append((field, f"[{', '.join(map(_package, packages))}]"))
            by = sorted(name for name in names if name in table)
            verb = "needs" if len(by) == 1 else "need"
            reasons.append(f"Cargo.lock: {few(by)} {verb} {', '.join(packages)}")
    return CrateNeeds(fields, reasons)


def _package(name: str) -> str:
    return f"debian.{name}" if name.replace("-", "").isalnum() else f"debian.{text(name)}"
