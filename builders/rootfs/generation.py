"""Choose the files that are generated for a root, and write them.

`generated_files.py` has the rules. What a slice has goes before a generated file, except for links that the user named.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.builders.payload.exclusions import GENERATED, Exclusion
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.parents import all_parents, parents
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Task
from fpack.store.errors import DamagedPath
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter

from . import generated_files
from .accounts import Group, User
from .compose import Composition
from .generated_files import GeneratedFile

_MAX_CONF = 1 << 16  # bytes
_MAX_CERTIFICATES = 1 << 30  # bytes


class GenerationInputs(NamedTuple):
    """The inputs of generated files. arch: Debian's. shadow: with the files of passwords.

    release: the codename; "" if the root stands on another image.

    links: symlinks of alternatives and their targets; `chosen` are those that the user named. served: files for the
    server of the root, which all others replace.
    """

    release: str
    arch: str
    accounts: tuple[list[User], list[Group]]
    shadow: bool
    links: Mapping[str, str]
    chosen: Collection[str]
    served: Sequence[GeneratedFile] = ()


def generate(
    composition: Composition, tables: Sequence[SliceTable], wanted: GenerationInputs, log: Callable[[str], None]
) -> tuple[dict[str, GeneratedFile], list[Exclusion]]:
    """Return the generated files by path, and the files of slices that they replace."""
    made = list(wanted.served)
    made += generated_files.accounts(composition, *wanted.accounts, shadow=wanted.shadow)
    chosen = {merged(link.strip("/")) for link in wanted.chosen}
    excluded: list[Exclusion] = []
    for link, target in wanted.links.items():
        if link in composition.files and link in chosen:
            # The user named this link in `alternatives`, so it replaces the file.
            excluded += _replaced(composition, link)
        elif link in composition.files and not composition.files[link][0].package and not composition.resolve(link):
            # A script chose a target of a package that is not in the root.
            excluded += _replaced(composition, link)
        elif composition.has(link):
            continue
        made.append(generated_files.symlink(link, target, generated_files.ALTERNATIVES))
    if wanted.release:
        run, replaced = generated_files.moved_to_run(composition, tables)
        made += run
        excluded += replaced
    made += generated_files.certificates(composition)
    made += generated_files.name_services(composition)
    made += generated_files.release(composition, wanted.release)
    made += generated_files.loader_cache(composition, tables, wanted.arch)
    made += generated_files.skeleton(composition)
    found: dict[str, GeneratedFile] = {}
    linked_paths = {file.entry.path for file in made if file.entry.kind == meta.SYMLINK}
    for file in made:
        # A symlink or a file of a slice cannot be a directory of this layer.
        blocked = next((p for p in parents(file.entry.path) if p in composition.files), None)
        if not linked_paths.isdisjoint(parents(file.entry.path)):
            continue
        if blocked is None:
            found[file.entry.path] = file
        else:
            log(
                f"/{file.entry.path} is left out: /{blocked} of {composition.files[blocked][0].package} "
                "is not a directory"
            )
    # Restate the mode and owner of directories that this layer repeats, and of those on which slices differ.
    repeated = all_parents(found)
    for entry in composition.overrides + [e for e in composition.directories.values() if e.path in repeated]:
        if (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
            found.setdefault(entry.path, GeneratedFile(entry, generated_files.DIRECTORIES))
    return found, excluded


def _replaced(composition: Composition, path: str) -> list[Exclusion]:
    """Return the exclusions of a path in every package that has it, because a generated file replaces it."""
    packages = [exclusion.package for exclusion in composition.excluded if exclusion.path == path]
    packages.append(composition.files[path][0].package)
    return [Exclusion(package, path, GENERATED, generated_files.ALTERNATIVES) for package in packages]


def write(task: Task, writer: TreeWriter, made: GeneratedFile) -> TreeEntry:
    """Write a generated file. Return its entry, with its digests."""
    entry = made.entry
    path = "data/" + entry.path
    if entry.kind == meta.DIRECTORY:
        writer.mkdir(path)
        return entry
    if entry.kind == meta.SYMLINK:
        writer.symlink(path, entry.target)
        return entry
    hasher = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for chunk in _content(task, made):
            hasher.update(chunk)
            yield chunk

    node = writer.file(path, pieces(), executable=bool(entry.mode & 0o111))
    return entry._replace(size=node.size, blake3=node.digest, sha256=hasher.digest())


def _content(task: Task, made: GeneratedFile) -> Iterator[bytes]:
    yield made.content
    if made.pack is not None:
        yield made.pack(_small_files(task, made.sources))
        return
    for slice_, path, digest in made.sources if made.md5 else ():
        task.check()
        md5 = _md5(task.disk(slice_) / "data" / path, digest)
        yield f"{md5}  {path}\n".encode("utf-8", "surrogateescape")
    for slice_, path, digest in made.sources if not made.md5 else ():
        content = meta.read_file(task.disk(slice_) / "data" / path, digest, _MAX_CERTIFICATES)
        yield content if content.endswith(b"\n") or not content else content + b"\n"


def _md5(path: Path, digest: bytes) -> str:
    """Return the MD5 of a file of an output. Raise DamagedPath if its BLAKE3 is not `digest`."""
    md5, found = hashlib.md5(usedforsecurity=False), blake3()
    for chunk in chunks(path):
        md5.update(chunk)
        found.update(chunk)
    if found.digest() != digest:
        raise DamagedPath(os.fspath(path))
    return md5.hexdigest()


def _small_files(task: Task, sources: Sequence[tuple[str, str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each source that does not exceed the size limit."""
    for slice_, path, digest in sources:
        content = meta.read_file(task.disk(slice_) / "data" / path, digest, _MAX_CONF + 1)
        if len(content) <= _MAX_CONF:
            yield path, content
