"""The files that a root needs and no package ships: what maintainer scripts make on a machine, made from data.

Each function says what it adds to a composition; nothing is added where a slice has the path already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from . import ldcache, meta
from .compose import Composition, SliceTable
from .elf import MACHINES, TRIPLETS
from .globs import MERGED
from .keystore import keystore
from .meta import Entry

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
JAVA_CERTIFICATES = "etc/ssl/certs/java/cacerts"
_SOURCES = ("usr/share/ca-certificates/", "usr/local/share/ca-certificates/")
_HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
_NAME_SERVICES = """\
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
"""
_RELEASES = {"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15"}


class Made(NamedTuple):
    """A generated entry. content: a file's; sources: (slice's store path, path) of files to join instead.

    pack: makes the content of the sources' paths and contents, where it is not simply one after the other.
    """

    entry: Entry
    content: bytes = b""
    sources: Sequence[tuple[str, str]] = ()
    pack: Callable[[Iterable[tuple[str, bytes]]], bytes] | None = None


def directory(path: str, mode: int = 0o755) -> Made:
    """An empty directory of root's."""
    return Made(Entry(path, meta.DIRECTORY, mode))


def symlink(path: str, target: str) -> Made:
    """A symlink."""
    return Made(Entry(path, meta.SYMLINK, 0o777, target=target))


def text(path: str, content: str) -> Made:
    """A file of root's, mode 0644."""
    return Made(Entry(path, meta.FILE, 0o644), content.encode())


def skeleton(composition: Composition) -> Iterator[Made]:
    """The links that merge /usr, and the directories that programs and container runtimes expect."""
    has = composition.has
    for name in MERGED:
        if has(f"usr/{name}") and not has(name):
            yield symlink(name, f"usr/{name}")
    for path, mode in (("dev", 0o755), ("proc", 0o755), ("root", 0o700), ("run", 0o755), ("sys", 0o755)):
        if not has(path):
            yield directory(path, mode)
    for path in ("tmp", "var/tmp"):
        if not has(path):
            yield directory(path, 0o1777)


def moved_to_run(composition: Composition, tables: Sequence[SliceTable]) -> tuple[list[Made], list[tuple[str, str]]]:
    """/var/run and /var/lock as links into /run, and the empty directories that they take the place of.

    base-files ships the directories, and its script replaces them.
    """
    made: list[Made] = []
    excluded: list[tuple[str, str]] = []
    for path, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
        inside = any(other.startswith(path + "/") for other in composition.directories)
        inside = inside or any(other.startswith(path + "/") for other in composition.files)
        if path in composition.files or inside:
            continue
        made.append(symlink(path, target))
        if path == "var/lock" and not composition.has("run/lock"):
            made.append(directory("run/lock", 0o1777))
        excluded += [(table.package, path) for table in tables if path in table.entries]
    return made, excluded


def certificates(composition: Composition) -> Iterator[Made]:
    """The bundle of all certificate authorities, OpenSSL's way to it, and Java's own form of it."""
    files = sorted(
        path
        for path, (_, entry) in composition.files.items()
        if path.startswith(_SOURCES) and path.endswith(".crt") and entry.kind == meta.FILE
    )
    if not files:
        return
    sources = [(composition.files[path][0].path, path) for path in files]
    if not composition.has(CERTIFICATES):
        yield Made(Entry(CERTIFICATES, meta.FILE, 0o644), sources=sources)
    # libssl looks here; the links are in the package openssl, which a linked root may lack.
    if any(path.rpartition("/")[2].startswith("libcrypto.so.") for path in composition.files):
        for path, target in (("usr/lib/ssl/cert.pem", f"/{CERTIFICATES}"), ("usr/lib/ssl/certs", "/etc/ssl/certs")):
            if not composition.has(path):
                yield symlink(path, target)
    # Java's runtime has a link to this file.
    if not composition.has(JAVA_CERTIFICATES) and any(
        entry.kind == meta.SYMLINK and entry.target == f"/{JAVA_CERTIFICATES}"
        for _, entry in composition.files.values()
    ):
        yield Made(Entry(JAVA_CERTIFICATES, meta.FILE, 0o644), sources=sources, pack=_java_keystore)


def _java_keystore(files: Iterable[tuple[str, bytes]]) -> bytes:
    return keystore((f"debian:{path.rpartition('/')[2].lower()}", content) for path, content in files)


def name_services(composition: Composition) -> Iterator[Made]:
    """hosts, for builds and shells (container runtimes bring their own), and nsswitch.conf.

    Without the latter the C library asks the name servers before it reads the former.
    """
    if any(path.endswith("/libc.so.6") for path in composition.files):
        for path, content in (("etc/hosts", _HOSTS), ("etc/nsswitch.conf", _NAME_SERVICES)):
            if not composition.has(path):
                yield text(path, content)


def release(composition: Composition, name: str) -> Iterator[Made]:
    """What scanners read to know the distribution; base-files has it, if it is there. name: for example trixie."""
    number = _RELEASES.get(name, "")
    if not composition.has("etc/os-release") and not composition.has("usr/lib/os-release"):
        pretty = f"Debian GNU/Linux {number} ({name})" if number else f"Debian GNU/Linux {name}"
        lines = [f'PRETTY_NAME="{pretty}"', 'NAME="Debian GNU/Linux"']
        if number:
            lines += [f'VERSION_ID="{number}"', f'VERSION="{number} ({name})"']
        lines += [f"VERSION_CODENAME={name}", "ID=debian"]
        yield text("usr/lib/os-release", "".join(f"{line}\n" for line in lines))
    if not composition.has("etc/os-release"):
        yield symlink("etc/os-release", "../usr/lib/os-release")
    if not composition.has("etc/debian_version"):
        yield text("etc/debian_version", f"{number or name}\n")


def loader_cache(composition: Composition, tables: Sequence[SliceTable], arch: str) -> Iterator[Made]:
    """ld.so.cache for the libraries in directories that only a package's ld.so.conf.d names."""
    usual = {f"usr/lib/{TRIPLETS.get(arch, '')}", "usr/lib", "usr/lib64"}
    folders = dict.fromkeys(folder for table in tables for folder in table.search if folder not in usual)
    libraries: dict[str, str] = {}
    for folder in folders:
        for path in sorted(composition.files) if folder in composition.directories else ():
            above, _, name = path.rpartition("/")
            found = composition.files.get(composition.resolve(path) or "") if above == folder else None
            facts = found[1].facts if found else None
            if facts is not None and facts.machine == MACHINES.get(arch) and name == (facts.soname or name):
                libraries.setdefault(name, f"/{path}")
    content = ldcache.loader_cache(libraries, arch) if libraries else None
    if content is not None and not composition.has("etc/ld.so.cache"):
        yield Made(Entry("etc/ld.so.cache", meta.FILE, 0o644), content)
