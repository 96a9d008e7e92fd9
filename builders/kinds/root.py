"""Build the `root` kind: compose slices into the `/` of a build, a shell or a container.

The output does not copy the slices. It holds the generated files, which no package ships. The extra fields of its table
list the slices of the root, why each is in it, and which of their files another package replaces.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.linking import essential, linker, own_files, store_paths
from fpack.builders.linking.code import CodeNeeds
from fpack.builders.linking.data_packages import with_data
from fpack.builders.linking.imports import MAX_JAR, MAX_TEXT
from fpack.builders.linking.linker import LinkResult, Reason
from fpack.builders.linking.required_files import DATA, SEED
from fpack.builders.payload import base_image, meta, slice_table
from fpack.builders.payload.base_image import BaseArgs
from fpack.builders.payload.exclusions import Exclusion
from fpack.builders.payload.globs import Globs
from fpack.builders.payload.libraries import graft_targets
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.rootfs import accounts as users
from fpack.builders.rootfs import alternatives, base_files, configured, dpkg_database, php_extensions
from fpack.builders.rootfs.candidates import (
    DEPENDS,
    PackageArgs,
    declared_reasons,
    drive,
    missing_notes,
    outputs_of,
    requestable,
    undeclared,
)
from fpack.builders.rootfs.compose import Composition, compose
from fpack.builders.rootfs.configured import ConfiguredTree
from fpack.builders.rootfs.generated_files import GeneratedFile
from fpack.builders.rootfs.generation import GenerationInputs, generate, write
from fpack.builders.rootfs.grafts import Graft, ReplacedArgs, graft
from fpack.builders.rootfs.program_packages import OfferedPackages, with_init, with_programs
from fpack.builders.rootfs.programs import programs
from fpack.builders.rootfs.service import RootService, ServiceArgs, no_shell, service
from fpack.builders.services.start_script import SHELL
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.files.regular_file import open_regular
from fpack.store.path import StorePath

# 2: a shell started by a unit is not the main program. 3: each path is taken from one slice only. 4: the commands that
# scripts and programs call. 5: servers that fork, and variables of command lines. 6: set-id bits of scripts.
# 7: signals to servers that fork. 8: what interpreted programs of linked roots load; tini for what may ignore SIGTERM.
# 9: a shell and sleep for servers that fork. 10: the programs of the steps around a server.
# 11: a missing user of a server is reported. 12: the first start alone runs as root.
# 13: the extensions of PHP in roots without scripts. 14: a package's own program goes before servers of dependencies.
VERSION = 14

LINKED = "linked"
FIRST = "base-files"


class SourceBuiltArgs(NamedTuple):
    """A store path that was built from source and is used with the root.

    The root gets the libraries that its files load, searched in `packages`, and in `foreign` for files that were
    compiled elsewhere.
    """

    path: StorePath
    packages: tuple[str, ...]
    foreign: tuple[str, ...] = ()


class RootArgs(NamedTuple):
    """The arguments. arch: Debian's. alternatives: links and their targets. users: see `rootfs/accounts.py`.

    service: the server that the root is for, at most one.
    configured: the output of `configure` with what maintainer scripts did. If it is a candidate, it is built only if a
    script of the root's packages matters. configured_drop: globs of the paths that are not taken from it. setuid:
    the files that keep set-id bits, which scripts may set. database: a root with dpkg gets its database. interpreted: a
    linked root takes what interpreted programs load. replace: what replaces libraries of packages. certificates: built
    programs that verify servers get ca-certificates. files: the container's own files, an output of `files`, which a
    linked root is linked for. base: the image whose layers lie below, at most one. before_scripts: maintainer scripts
    will run in the root, so it lacks what fpack makes in their place.
    """

    mode: str
    release: str
    arch: str
    slices: tuple[PackageArgs, ...]
    wants: tuple[str, ...] = ()
    users: tuple[Mapping[str, Value], ...] = ()
    alternatives: Mapping[str, str] | None = None
    built: tuple[SourceBuiltArgs, ...] = ()
    service: tuple[ServiceArgs, ...] = ()
    configured: StorePath | None = None
    configured_drop: tuple[str, ...] = ()
    setuid: tuple[str, ...] = ()
    database: bool = False
    interpreted: bool = False
    replace: tuple[ReplacedArgs, ...] = ()
    certificates: bool = False
    files: StorePath | None = None
    base: tuple[BaseArgs, ...] = ()
    before_scripts: bool = False


class RootBuilder(BaseBuilder):
    """The builder of `root`. Its output holds `data` and `meta`."""

    version = VERSION

    def build(self, task: Task) -> Built | Steps:
        """Find the slices, and generate the files that they lack."""
        args = arguments.read(RootArgs, task.args)
        if args.mode == LINKED:
            return _linked(task, args)
        if args.mode != DEPENDS:
            raise BuildError(f"{args.mode!r} is not a mode of a root", why="the modes are 'depends' and 'linked'")
        return _depends(task, args)


def _linked(task: Task, args: RootArgs) -> Steps:
    """Add candidates until every file of the root finds the libraries and programs that it loads."""
    items = {item.package: item for item in args.slices}
    depends: dict[str, Sequence[str]] = {name: item.depends for name, item in items.items()}
    seeds = [slice_table.load(task.tree(item.slice)) for item in items.values() if item.seed]
    built = _built(task, args, depends)
    if args.files is not None:
        own = own_files.scripts_of(task, args.files)
        built.append(own)
        depends[own.package] = list(items)
    tree: ConfiguredTree | None = None
    drop = Globs(args.configured_drop)
    searched: set[str] = set()
    packages: set[str] = set()
    while True:
        # Link what the scripts of the root's packages made, too. That may add packages, which have scripts.
        scripts = [configured.seed(tree, packages, drop)] if tree is not None and packages else []
        depends.update({table.package: list(items) for table in scripts})
        code, spare = None, undeclared(items) if args.interpreted else set()
        if args.interpreted:
            requested = [table.package for table in seeds if table.package != FIRST]
            names = [table.package for table in built]
            code = CodeNeeds(depends, requested, names, partial(_code, task), certificates=args.certificates)
        steps = linker.link([*seeds, *built, *scripts], depends, args.wants, args.arch, code=code, spare=spare)
        found, more = yield from drive(task, items, steps)
        searched |= more
        found = store_paths.without(found, [*built, *scripts])
        if tree is None:
            tree = yield from _configured(task, args, found.tables)
        if tree is None or found.reasons.keys() <= packages:
            break
        packages |= found.reasons.keys()
    for line in missing_notes(found.missing):
        task.log(line)
    data = {name for name, item in items.items() if item.data}
    found, more = yield from drive(task, items, with_data(found, depends, data))
    active = code.active if code is not None else []
    return (yield from _finish(task, args, found, tree, (searched | more) - found.reasons.keys(), active))


def _code(task: Task, table: SliceTable, entry: meta.TreeEntry) -> bytes:
    """Return the beginning of a file of code, and all of a Java archive or a compiled program."""
    task.check()
    compiled = entry.facts is not None and entry.facts.machine
    most = MAX_JAR if compiled or entry.path.endswith(".jar") else MAX_TEXT
    path = store_path.parse(table.path)
    if entry.blake3:
        return meta.read_file(task.disk(path) / "data" / entry.path, entry.blake3, most)
    with open_regular(task.disk(path).parent / entry.path.removeprefix(f"{store_path.STORE[1:]}/")) as file:
        return file.read(most)


def _configured(
    task: Task, args: RootArgs, tables: Sequence[SliceTable]
) -> Generator[Need, list[StorePath], ConfiguredTree | None]:
    """Return what maintainer scripts did. Request it only if a script of the packages may change the root."""
    path = args.configured
    output = requestable(task).get(path.hash) if path is not None else None
    if output is not None:
        if not any(table.extra.get("scripts") for table in tables):
            return None
        (path,) = yield Need([output], tuple(store_path.parse(table.path) for table in tables))
    return configured.read(path, task.tree(path)) if path is not None else None


def _built(task: Task, args: RootArgs, depends: dict[str, Sequence[str]]) -> list[SliceTable]:
    """Return the tables of the store paths built from source. Add the packages to search for each to `depends`."""
    built: dict[str, SliceTable] = {}
    replaced = [SourceBuiltArgs(item.path, item.packages) for item in args.replace if item.package in depends]
    for item in (*args.built, *replaced):
        # Prefer the packages that its files were linked with to all packages that it was built with.
        names = [n for n in store_paths.packages(task, [item.path]) if n in depends] or list(item.packages)
        names += item.foreign
        for table in store_paths.tables(task, [item.path]):
            built.setdefault(table.package, table)
            known = depends.get(table.package, ())
            depends[table.package] = [*known, *(name for name in names if name in depends and name not in known)]
    return list(built.values())


def _depends(task: Task, args: RootArgs) -> Steps:
    """Take all declared packages. Add the Essential ones, which nobody declares, only where scripts need them."""
    items = {item.package: item for item in args.slices}
    outputs = outputs_of(task, items)
    declared = [item for name, item in items.items() if name not in outputs]
    tables = [slice_table.load(task.tree(item.slice)) for item in declared]
    reasons = declared_reasons(declared)
    depends: dict[str, Sequence[str]] = {name: item.depends for name, item in items.items()}
    built = _built(task, args, depends)
    if not outputs and not built:
        tree = yield from _configured(task, args, tables)
        return (yield from _finish(task, args, LinkResult(tables, reasons, []), tree))
    # base-files is added to every root, so the needs of its scripts do not count.
    seeds = {name for name, reason in reasons.items() if reason.kind == SEED} - {FIRST}
    steps = essential.complete(tables, seeds, depends, outputs.keys(), args.arch, built)
    found, searched = yield from drive(task, items, steps, tuple(item.slice for item in declared))
    found = store_paths.without(found, built)
    linked = LinkResult(found.tables, {**found.reasons, **reasons}, [])
    tree = yield from _configured(task, args, linked.tables)
    return (yield from _finish(task, args, linked, tree, searched - linked.reasons.keys()))


def _finish(
    task: Task,
    args: RootArgs,
    found: LinkResult,
    tree: ConfiguredTree | None,
    searched: Collection[str] = (),
    languages: Sequence[str] = (),
) -> Steps:
    """Compose the slices and write the output. tree: what maintainer scripts did, if they ran.

    languages: those in which packages of a linked root are active.

    searched: the packages that the resolution read but did not need. The output lists them, because a rebuild of the
    root needs them.
    """
    tables = sorted(found.tables, key=lambda table: table.package != FIRST)
    base = base_image.read(task, args.base[0]) if args.base else None
    composition, links_to_grafts, grafts = _composition(task, args, tables, tree, base)
    task.check()
    accounts = _accounts(args, tables, composition, tree, base)
    links = _links(args, tables, composition)
    served = RootService([], {})
    for wanted in args.service[:1]:
        depends = next((item.depends for item in args.slices if item.package == wanted.package), ())
        served = service(task, wanted, composition, tables, depends, accounts, links)
        new_args, more, others = yield from _add_start_packages(task, args, wanted, found, served)
        searched = {*searched, *others}
        if new_args is not args or more is not found:
            return (yield from _finish(task, new_args, more, tree, searched, languages))
    for note in served.notes:
        task.log(note)
    files = [*links_to_grafts, *served.files, *_other_files(task, args, base, composition, tables, accounts)]
    release = args.release if base is None else ""
    wants = GenerationInputs(release, args.arch, accounts, tree is not None, links, args.alternatives or {}, files)
    generated, replaced = generate(composition, tables, wants, task.log)
    if base is not None:
        base_files.leave(generated, base)
    excluded = [*composition.excluded, *replaced]
    writer = task.writer()
    writer.mkdir("data")
    entries = [write(task, writer, generated[path]) for path in sorted(generated)]
    extra: dict[str, Value] = {
        **_package_facts(args, found, tables, composition, links),
        "users": [user._asdict() for user in accounts[0]],
        "groups": [{**group._asdict(), "members": list(group.members)} for group in accounts[1]],
        "excluded": _of_packages(excluded),
        "generated": [[os.fsencode(path), generated[path].rule] for path in sorted(generated)],
        "missing": [list(item) for item in found.missing],
        "looked": sorted(searched),
        "service": served.extra,
    }
    references = {store_path.parse(table.path) for table in tables}
    if args.interpreted:
        extra["interpreted"] = list(languages)
    if grafts:
        extra["grafts"] = [made._asdict() for made in grafts]
        references |= {*graft_targets(extra["grafts"])}
    given, without = configured.set_id(args.setuid, composition, tables, tree)
    if tree is not None:
        left_out = sorted({os.fsencode(exclusion.path) for exclusion in excluded if not exclusion.package})
        bits = {"setuid": given, "without_setuid": without}
        extra["configure"] = {"path": tree.table.path, "left_out": left_out, **bits}
        references.add(store_path.parse(tree.table.path))
    writer.file("meta", [meta.encode(entries, extra)])
    return Built(writer, tuple(sorted(references)))


def _composition(
    task: Task,
    args: RootArgs,
    tables: Sequence[SliceTable],
    tree: ConfiguredTree | None,
    base: base_image.BaseImage | None,
) -> tuple[Composition, list[GeneratedFile], list[Graft]]:
    """Return (composed slices, links to what replaces libraries, grafts)."""
    composition = compose(tables)
    if base is not None:
        composition = base_files.show(composition, base, args.arch)
    if tree is not None:
        composition = configured.show(composition, tables, tree, Globs(args.configured_drop))
    return graft(task, composition, tables, args.replace)


def _accounts(
    args: RootArgs,
    tables: Sequence[SliceTable],
    composition: Composition,
    tree: ConfiguredTree | None,
    base: base_image.BaseImage | None,
) -> tuple[list[users.User], list[users.Group]]:
    """Return the users and groups of the root. Those that scripts added, or the base has, keep their ids."""
    known_users, known_groups = (tree.users, tree.groups) if tree is not None else ((), ())
    if base is not None:
        known_users, known_groups = base_files.accounts(base)
    return users.assign(
        args.users,
        users.declared("users", tables, known_users),
        users.declared("groups", tables, known_groups),
        "/bin/bash" if composition.resolve("usr/bin/bash") else "/bin/sh",
    )


def _links(args: RootArgs, tables: Sequence[SliceTable], composition: Composition) -> dict[str, str]:
    """Return the links of alternatives, with their targets."""
    return alternatives.choose(
        (record for table in tables for record in table.extra.get("alternatives", ())),
        lambda path: composition.resolve(path) is not None,
        args.alternatives or {},
    )


def _add_start_packages(
    task: Task, args: RootArgs, wanted: ServiceArgs, found: LinkResult, served: RootService
) -> Generator[Need, list[StorePath], tuple[RootArgs, LinkResult, Collection[str]]]:
    """Add the packages of the programs that start the server. Return also the packages that were searched.

    The arguments and the result of the linker are the same objects if nothing changes.
    """
    offered = OfferedPackages(args.slices, args.mode == LINKED, args.arch)
    searched: set[str] = set()
    if served.lacks:
        more, searched = yield from with_programs(task, offered, found, wanted.package, served.lacks)
        if more is not found:
            return args, more, searched
        if wanted.first_start and SHELL in served.lacks:
            raise no_shell(wanted.package)
    if wanted.init_if_needed and served.needs_init:
        args = args._replace(service=(wanted._replace(init=True, init_if_needed=False),))
        found = yield from with_init(task, offered, found, wanted.package)
    return args, found, searched


def _other_files(
    task: Task,
    args: RootArgs,
    base: base_image.BaseImage | None,
    composition: Composition,
    tables: Sequence[SliceTable],
    accounts: tuple[Sequence[users.User], Sequence[users.Group]],
) -> Iterator[GeneratedFile]:
    """Yield dpkg's database, what PHP's scripts would make, and what a base needs."""
    if args.database:
        yield from dpkg_database.of_packages(task, composition, tables)
    if args.configured is None and not args.before_scripts:
        yield from php_extensions.extensions(composition, partial(_code, task))
    if base is not None:
        yield from _of_base(args, base, composition, tables, accounts)


def _package_facts(
    args: RootArgs,
    found: LinkResult,
    tables: Sequence[SliceTable],
    composition: Composition,
    links: Mapping[str, str],
) -> dict[str, Value]:
    """Return the fields about packages: why each is in the root or left out, and its programs."""

    def resolve(path: str) -> str | None:
        return composition.resolve(path, links)

    data = {item.package: Reason(DATA, used.by, "", used.why) for item in args.slices for used in item.used}
    reasons = {**found.reasons, **data}
    return {
        "slices": [_record(table, reasons[table.package]) for table in tables],
        "programs": {table.package: programs(table, resolve, links) for table in tables},
        "omitted": _omitted(args, reasons) if args.mode == LINKED else [],
    }


def _of_base(
    args: RootArgs,
    base: base_image.BaseImage,
    composition: Composition,
    tables: Sequence[SliceTable],
    accounts: tuple[Sequence[users.User], Sequence[users.Group]],
) -> Iterator[GeneratedFile]:
    """Yield the merged account files, and the links for a base whose /usr is not merged."""
    wanted = {str(user["name"]) for user in args.users} | {
        str(user.get("group") or user["name"]) for user in args.users
    }
    for table in tables:
        wanted |= {str(item["name"]) for field in ("users", "groups") for item in table.extra.get(field, ())}
    owners = {number for table in tables for entry in table.entries.values() for number in (entry.uid, entry.gid)}
    yield from base_files.merge_accounts(base, *accounts, owners, wanted)
    yield from base_files.links(composition, base)


def _omitted(args: RootArgs, reasons: Mapping[str, Reason]) -> list[Value]:
    """Return (package, requested package) for each dependency of a requested package that a linked root leaves out."""
    known = {item.package for item in args.slices}
    return [
        [name, item.package]
        for item in args.slices
        for name in item.depends
        if item.seed and item.package != FIRST and name in known and name not in reasons
    ]


def _of_packages(excluded: Sequence[Exclusion]) -> list[Value]:
    """Return the last exclusion for each path of a package, sorted: package, path, reason, and what replaces it."""
    last = {(exclusion.package, exclusion.path): exclusion for exclusion in excluded if exclusion.package}
    return [
        [exclusion.package, os.fsencode(exclusion.path), exclusion.reason, exclusion.by]
        for exclusion in sorted(last.values())
    ]


def _record(table: SliceTable, reason: Reason) -> dict[str, Value]:
    return {
        "package": table.package,
        "version": table.version,
        "path": table.path,
        "by": reason.by,
        "reason": {"kind": reason.kind, "file": reason.file, "what": reason.what},
    }
