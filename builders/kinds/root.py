"""The `root` kind: slices put together to what a build, a shell and a container see as `/`.

The slices stay where they are. The output holds the files that no package ships, and says in its table's extra fields
which slices make the root, why each is in it, and which of their files another package replaces.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.linking import essential, linker, store_paths
from fpack.builders.linking.linker import LinkResult, MissingFile, Reason
from fpack.builders.linking.required_files import ASKED, SEED
from fpack.builders.payload import ld_paths, meta
from fpack.builders.payload.exclusions import GENERATED, Exclusion
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError, Built, Need, Steps, Task, whole
from fpack.builders.rootfs import accounts as users
from fpack.builders.rootfs import alternatives, generated_files
from fpack.builders.rootfs.compose import Composition, compose
from fpack.builders.rootfs.generated_files import GeneratedFile
from fpack.builders.rootfs.programs import programs
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.files.regular_file import open_regular
from fpack.store.files.tree import CHUNK
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

if TYPE_CHECKING:
    from .table import Services

DEPENDS, LINKED = "depends", "linked"
FIRST = "base-files"
_MAX_CONF = 1 << 16


class Root:
    """args: mode, release, arch, slices, wants, users, alternatives, and built, where there is any.

    built: {path, packages} of each store path that was built from source and will be in the root at its own place: what
    its files load is in the root too. packages: the names of those in which to look. output: {`data`, `meta`}.
    """

    kind = "root"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation, with its candidates."""
        return whole(drv)

    def build(self, task: Task) -> Built | Steps:
        """Find the slices, and make what they lack."""
        mode = task.args["mode"]
        if mode == LINKED:
            return _linked(task)
        if mode != DEPENDS:
            raise BuildError(f"A root cannot be {mode!r}", why="it is 'depends' or 'linked'")
        return _depends(task)


def _linked(task: Task) -> Steps:
    """Ask for candidates until every file of the root has what it loads."""
    items = {str(item["package"]): item for item in task.args["slices"]}
    depends = {name: item["depends"] for name, item in items.items()}
    seeds = [_load(task, str(item["slice"])) for item in items.values() if item["seed"]]
    own = _built(task, depends)
    steps = linker.link([*seeds, *own], depends, task.args.get("wants") or (), str(task.args["arch"]))
    found, looked = yield from _drive(task, items, steps)
    for line in _warnings(found.missing):
        task.log(line)
    return _finish(task, store_paths.without(found, own), looked - found.reasons.keys())


def _built(task: Task, depends: dict[str, list[str]]) -> list[SliceTable]:
    """The tables of what was built from source. Where to look for what they load is added to `depends`."""
    own: dict[str, SliceTable] = {}
    for item in task.args.get("built") or ():
        path = store_path.parse(str(item["path"]))
        # What it was linked with is known to the file; what it was built with only says where to look.
        names = [n for n in store_paths.packages(task, [path]) if n in depends] or item["packages"]
        for table in store_paths.tables(task, [path]):
            own.setdefault(table.package, table)
            known = depends.get(table.package, [])
            depends[table.package] = [*known, *(name for name in names if name in depends and name not in known)]
    return list(own.values())


def _depends(task: Task) -> Steps:
    """Take all that is declared, and of the Essential packages, which nobody declares, those that scripts need."""
    items = {str(item["package"]): item for item in task.args["slices"]}
    outputs = _outputs(task, items)
    declared = [item for name, item in items.items() if name not in outputs]
    tables = [_load(task, str(item["slice"])) for item in declared]
    reasons = _declared(declared)
    depends = {name: item["depends"] for name, item in items.items()}
    own = _built(task, depends)
    if not outputs and not own:
        return _finish(task, LinkResult(tables, reasons, []))
    # base-files comes in by itself: what its scripts run is not asked for.
    asked = {name for name, reason in reasons.items() if reason.kind == SEED} - {FIRST}
    steps = essential.complete(tables, asked, depends, outputs.keys(), str(task.args["arch"]), own)
    found, looked = yield from _drive(task, items, steps)
    found = store_paths.without(found, own)
    whole = LinkResult(found.tables, {**found.reasons, **reasons}, [])
    return _finish(task, whole, looked - whole.reasons.keys())


def _outputs(task: Task, items: Mapping[str, Mapping[str, Value]]) -> dict[str, Output]:
    """The candidate's output for each package that is one."""
    by_hash = {placeholder(o.derivation, "x", o.name).hash: o for o in task.candidates}
    outputs: dict[str, Output] = {}
    for name, item in items.items():
        output = by_hash.get(store_path.parse(str(item["slice"])).hash)
        if output is not None:
            outputs[name] = output
    return outputs


def _drive(
    task: Task, items: Mapping[str, Mapping[str, Value]], steps: linker.Fetch
) -> Generator[Need, list[StorePath], tuple[LinkResult, set[str]]]:
    """Give a resolution the packages that it asks for; what it comes to, and the names of all that it looked at."""
    outputs = _outputs(task, items)
    state = _advance(steps, None)
    looked: set[str] = set()
    while not isinstance(state, LinkResult):
        looked.update(state)
        needed = [outputs[name] for name in state if name in outputs]
        paths = iter((yield Need(needed)) if needed else [])
        found = [str(next(paths)) if name in outputs else str(items[name]["slice"]) for name in state]
        task.check()
        state = _advance(steps, [_load(task, path) for path in found])
    return state, looked


def _warnings(missing: Sequence[MissingFile]) -> Iterator[str]:
    """A line for each thing that no package has and that some files of a package load."""
    files: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        files.setdefault((each.package, each.what), []).append(each.file)
    for (package, what), names in files.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more} of {package}: {what} is in no package; it may be optional"


def _advance(steps: linker.Fetch, answer: list[SliceTable] | None) -> list[str] | LinkResult:
    """The packages that the linker asks for next, or what it came to."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration as stop:
        linked_: LinkResult = stop.value
        return linked_


def _declared(items: Sequence[Mapping[str, Value]]) -> dict[str, Reason]:
    """Who brought each package in, by declared dependencies, the shortest way from a seed."""
    depends = {str(item["package"]): item["depends"] for item in items}
    reasons = {str(item["package"]): Reason(SEED) for item in items if item["seed"]}
    level = list(reasons)
    while level:
        following: list[str] = []
        for name in level:
            for other in depends.get(name, ()):
                if other in depends and other not in reasons:
                    reasons[other] = Reason(DEPENDS, name, "", other)
                    following.append(other)
        level = following
    for name in depends:
        reasons.setdefault(name, Reason(ASKED, None, "", "a UTF-8 locale" if name == "libc-bin" else name))
    return reasons


def _load(task: Task, path: str) -> SliceTable:
    place = task.disk(store_path.parse(path))
    entries, extra = meta.read(place)
    table = {entry.path: entry for entry in entries}
    search = tuple(_search_directories(place, table))
    return SliceTable(extra["package"], extra["version"], extra["arch"], path, table, extra, search)


def _search_directories(place: Path, entries: Mapping[str, TreeEntry]) -> Iterator[str]:
    """The directories that a slice's ld.so.conf.d files name."""
    for path, entry in sorted(entries.items()):
        if path.startswith(f"{ld_paths.CONFIGURATION}/") and path.endswith(".conf") and 0 < entry.size < _MAX_CONF:
            yield from ld_paths.configured_directories(place / "data" / path)


def _finish(task: Task, found: LinkResult, looked: Collection[str] = ()) -> Built:
    """looked: the packages that were opened and had nothing that is needed; with them the root can be made again."""
    tables = sorted(found.tables, key=lambda table: table.package != FIRST)
    composition = compose(tables)
    task.check()
    accounts = users.assign(
        task.args.get("users") or (),
        (user for table in tables for user in table.extra.get("users", ())),
        (group for table in tables for group in table.extra.get("groups", ())),
        "/bin/bash" if composition.resolve("usr/bin/bash") else "/bin/sh",
    )
    links = alternatives.choose(
        (each for table in tables for each in table.extra.get("alternatives", ())),
        lambda path: composition.resolve(path) is not None,
        task.args.get("alternatives") or {},
    )
    made, excluded = _generate(task, composition, tables, accounts, links)
    writer = task.writer()
    writer.mkdir("data")
    entries = [_write(task, writer, made[path]) for path in sorted(made)]

    def resolve(path: str) -> str | None:
        return composition.resolve(path, links)

    extra: dict[str, Value] = {
        "slices": [_record(table, found.reasons[table.package]) for table in tables],
        "users": [user._asdict() for user in accounts[0]],
        "groups": [{**group._asdict(), "members": list(group.members)} for group in accounts[1]],
        "programs": {table.package: programs(table, resolve, links) for table in tables},
        "excluded": [
            [each.package, os.fsencode(each.path), each.reason, each.by]
            for each in _once([*composition.excluded, *excluded])
        ],
        "generated": [[os.fsencode(path), made[path].rule] for path in sorted(made)],
        "missing": [list(each) for each in found.missing],
        "looked": sorted(looked),
    }
    writer.file("meta", [meta.encode(entries, extra)])
    return Built(writer, tuple(sorted({store_path.parse(table.path) for table in tables})))


def _once(excluded: Sequence[Exclusion]) -> list[Exclusion]:
    """Keep one exclusion for each path of a package, sorted; the last reason counts."""
    return sorted({(each.package, each.path): each for each in excluded}.values())


def _record(table: SliceTable, reason: Reason) -> dict[str, Value]:
    return {
        "package": table.package,
        "version": table.version,
        "path": table.path,
        "by": reason.by,
        "reason": {"kind": reason.kind, "file": reason.file, "what": reason.what},
    }


def _generate(
    task: Task,
    composition: Composition,
    tables: Sequence[SliceTable],
    accounts: tuple[list[users.User], list[users.Group]],
    links: Mapping[str, str],
) -> tuple[dict[str, GeneratedFile], list[Exclusion]]:
    """Every generated entry by path, and what of the slices gives way to them."""
    made: list[GeneratedFile] = []
    if not composition.has("etc/passwd"):
        made.append(generated_files.text("etc/passwd", users.passwd(accounts[0]), generated_files.ACCOUNTS))
    if not composition.has("etc/group"):
        made.append(generated_files.text("etc/group", users.group(accounts[1]), generated_files.ACCOUNTS))
    wanted = {merged(link.strip("/")) for link in task.args.get("alternatives") or {}}
    excluded: list[Exclusion] = []
    for link, target in links.items():
        if link in composition.files and link in wanted:
            # Asked for in so many words: the file of that name gives way.
            excluded += _given_up(composition, link)
        elif composition.has(link):
            continue
        made.append(generated_files.symlink(link, target, generated_files.ALTERNATIVES))
    run, replaced = generated_files.moved_to_run(composition, tables)
    made += run
    excluded += replaced
    made += generated_files.certificates(composition)
    made += generated_files.name_services(composition)
    made += generated_files.release(composition, str(task.args["release"]))
    made += generated_files.loader_cache(composition, tables, str(task.args["arch"]))
    made += generated_files.skeleton(composition)
    found: dict[str, GeneratedFile] = {}
    for each in made:
        # What a slice has as a symlink or a file cannot be a directory of this layer.
        blocked = next((p for p in _parents(each.entry.path) if p in composition.files), None)
        if blocked is None:
            found[each.entry.path] = each
        else:
            task.log(
                f"/{each.entry.path} is left out: /{blocked} of {composition.files[blocked][0].package} is no directory"
            )
    # A directory that this layer holds again, and one on which slices differ, gets its mode and owner once more.
    above = {folder for path in found for folder in _parents(path)}
    for entry in composition.overrides + [e for e in composition.directories.values() if e.path in above]:
        if (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
            found.setdefault(entry.path, GeneratedFile(entry, generated_files.DIRECTORIES))
    return found, excluded


def _given_up(composition: Composition, path: str) -> list[Exclusion]:
    """Leave out the file at a path, of every package that has it: something generated takes its place."""
    packages = [each.package for each in composition.excluded if each.path == path]
    packages.append(composition.files[path][0].package)
    return [Exclusion(package, path, GENERATED, generated_files.ALTERNATIVES) for package in packages]


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _write(task: Task, writer: TreeWriter, made: GeneratedFile) -> TreeEntry:
    entry = made.entry
    path = "data/" + entry.path
    if entry.kind == meta.DIRECTORY:
        writer.mkdir(path)
        return entry
    if entry.kind == meta.SYMLINK:
        writer.symlink(path, entry.target)
        return entry
    hasher = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        for chunk in _content(task, made):
            hasher.update(chunk)
            yield chunk

    node = writer.file(path, chunks())
    return entry._replace(size=node.size, blake3=node.digest, sha256=hasher.digest())


def _content(task: Task, made: GeneratedFile) -> Iterator[bytes]:
    yield made.content
    if made.pack is not None:
        yield made.pack(_small_files(task, made.sources))
        return
    for slice_, path in made.sources:
        last = b"\n"
        with open_regular(task.disk(slice_) / "data" / path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
                last = chunk
        if not last.endswith(b"\n"):
            yield b"\n"


def _small_files(task: Task, sources: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """The path and content of each source; of those that are no larger than what is packed ever is."""
    for slice_, path in sources:
        with open_regular(task.disk(slice_) / "data" / path) as file:
            content = file.read(_MAX_CONF + 1)
        if len(content) <= _MAX_CONF:
            yield path, content


def make(services: Services) -> Root:
    """Return the builder of the kind."""
    return Root()
