"""Compose a root on the files of a base: an image whose layers lie below.

The layers of the base cannot be changed, so what the base has too is left out of the root, what would hide a file of
the base is an error, and accounts and the links of merged /usr are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fpack.builders.payload import meta
from fpack.builders.payload.base_image import BaseImage, Overlay
from fpack.builders.payload.exclusions import BASE, Exclusion
from fpack.builders.payload.globs import MERGED
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.parents import parents
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError

from .accounts import Group, User, group, passwd
from .compose import Composition
from .generated_files import ACCOUNTS, MERGED_USR, GeneratedFile, symlink, text

FILES = {"passwd": "etc/passwd", "group": "etc/group", "shadow": "etc/shadow", "gshadow": "etc/gshadow"}


def show(composition: Composition, base: BaseImage, arch: str) -> Composition:
    """Return a composition with the files of a base. Raise BuildError if a package's file would hide one of them.

    The table of the base's files has no package, and its extra field `base` is true: no content of it can be read.
    """
    overlay = Overlay(base)
    path = str(base.args.image)
    own = SliceTable("", "", arch, path, base.files, {"base": True})
    files = dict(composition.files)
    excluded = list(composition.excluded)
    tables: dict[str, set[str]] = {}
    for name, (table, entry) in composition.files.items():
        _check_parents(name, f"the package {table.package}", base)
        if overlay.has(entry, f"the package {table.package}"):
            excluded.append(Exclusion(table.package, name, BASE, base.layer_digest(name)))
            files[name] = (own, base.files[name])
            tables.setdefault(name, set()).add(table.package)
    # If several packages have the same file, all leave it to the base.
    for exclusion in composition.excluded:
        if exclusion.path in tables and exclusion.by in tables[exclusion.path]:
            excluded.remove(exclusion)
            excluded.append(exclusion._replace(reason=BASE, by=base.layer_digest(exclusion.path)))
    for name in base.files:
        files.setdefault(name, (own, base.files[name]))
    overrides = {entry.path: entry for entry in composition.overrides}
    for name, entry in composition.directories.items():
        if name in base.files:
            _check_parents(f"{name}/", _owner(composition, name), base)
        known = base.directories.get(name)
        if known is not None and (known.mode, known.uid, known.gid) != (entry.mode, entry.uid, entry.gid):
            overrides[name] = TreeEntry(name, meta.DIRECTORY, known.mode, known.uid, known.gid)
    directories = {**composition.directories, **base.directories}
    return Composition(files, directories, [overrides[name] for name in sorted(overrides)], sorted(excluded))


def _owner(composition: Composition, directory: str) -> str:
    """Return the name of a package that has something in a directory."""
    found = next((table for name, (table, _) in composition.files.items() if name.startswith(f"{directory}/")), None)
    return f"the package {found.package}" if found is not None else "a package"


def _check_parents(path: str, label: str, base: BaseImage) -> None:
    """Raise BuildError if a directory above a path is a file or a symlink of the base."""
    for parent in parents(path):
        other = base.files.get(parent)
        if other is not None:
            noun = f"a symlink to {other.target}" if other.kind == meta.SYMLINK else "a file"
            raise BuildError(
                f"/{path} of {label} lies below /{parent} of {base.label(parent)}",
                where=f"/{path}",
                why=f"/{parent} is {noun}, and a directory would hide it",
            ).with_(field="base")


def links(composition: Composition, base: BaseImage) -> Iterator[GeneratedFile]:
    """Yield the links by which packages' files are found where a base has /bin, /lib and so on as directories.

    Packages have their files in /usr/bin and so on. Where the base has merged /usr too, the link of the base serves.
    """
    for name in MERGED:
        if name in base.directories:
            yield from _missing(composition, base, f"usr/{name}", name)


def _missing(composition: Composition, base: BaseImage, there: str, here: str) -> Iterator[GeneratedFile]:
    names = {
        path[len(there) + 1 :].partition("/")[0]
        for path, (table, _) in composition.files.items()
        if path.startswith(f"{there}/") and not table.extra.get("base")
    }
    for name in sorted(names):
        path, target = f"{here}/{name}", f"{there}/{name}"
        if path in base.directories and target not in composition.files:
            yield from _missing(composition, base, target, path)
        elif not composition.has(path):
            yield symlink(path, f"/{target}", MERGED_USR)


# ---- accounts


def merge_accounts(
    base: BaseImage, users: Sequence[User], groups: Sequence[Group], needed: Iterable[int], wanted: Iterable[str]
) -> Iterator[GeneratedFile]:
    """Yield each account file of the base that lacks some account: the base's lines, then those that are new.

    needed: the numbers of users and groups of the root's files. wanted: the names that the container or its packages
    ask for. Other accounts of fpack's, such as Debian's static ones, are left out. Raise BuildError if an account has
    another number in the base, or its number belongs to another one.
    """
    ids, names = set(needed), set(wanted)
    known_users, known_groups = _rows(base.text(FILES["passwd"]), 2), _rows(base.text(FILES["group"]), 2)
    new_groups = [
        item for item in groups
        if _is_new("group", item.name, item.gid, known_groups, base, required=item.name in names or item.gid in ids)
    ]  # fmt: skip
    new_users = [
        item for item in users
        if _is_new("user", item.name, item.uid, known_users, base, required=item.name in names or item.uid in ids)
    ]  # fmt: skip
    shadow = FILES["shadow"] in base.files
    if new_users and FILES["passwd"] in base.files:
        yield _joined(base, "passwd", passwd(new_users, shadow))
    if new_groups and FILES["group"] in base.files:
        yield _joined(base, "group", group(new_groups, shadow))
    if new_users and shadow:
        yield _joined(base, "shadow", "".join(f"{user.name}:*::0:99999:7:::\n" for user in new_users))
    if new_groups and FILES["gshadow"] in base.files:
        yield _joined(base, "gshadow", "".join(f"{item.name}:*::\n" for item in new_groups))


def _is_new(kind: str, name: str, number: int, known: Mapping[str, int], base: BaseImage, *, required: bool) -> bool:
    """Return whether an account must be added to those of the base."""
    if not required or known.get(name) == number:
        return False
    label = base.label(FILES["passwd" if kind == "user" else "group"])
    if name in known:
        raise BuildError(
            f"The {kind} {name} has the number {number} in the container, and {known[name]} in the base",
            where=label,
            why="files of one would belong to another in the other",
            hint=f"give it the base's number: users = {{ {name} = {{ uid = {known[name]} }} }}",
        ).with_(field="base")
    other = next((other for other, found in known.items() if found == number), None)
    if other is not None:
        raise BuildError(
            f"The {kind} {name} of the container has the number {number}, which is {other}'s in the base",
            where=label,
            hint=f"give it another number: users = {{ {name} = {{ uid = NUMBER }} }}",
        ).with_(field="base")
    return True


def _rows(content: str, column: int) -> dict[str, int]:
    """Return the number of each account of a file."""
    found: dict[str, int] = {}
    for line in content.splitlines():
        fields = line.split(":")
        if len(fields) > column and fields[column].isascii() and fields[column].isdigit():
            found.setdefault(fields[0], int(fields[column]))
    return found


def _joined(base: BaseImage, name: str, lines: str) -> GeneratedFile:
    """Return an account file: the base's lines and more, with the base's mode and owner."""
    path = FILES[name]
    before, entry = base.text(path), base.files[path]
    if entry.kind == meta.FILE and path not in base.texts:
        raise BuildError(f"/{path} of the base is too large to add accounts", where=base.label(path))
    if entry.kind != meta.FILE:
        raise BuildError(f"/{path} of the base is not a file, so no account can be added", where=base.label(path))
    if before and not before.endswith("\n"):
        before += "\n"
    made = text(path, before + lines, ACCOUNTS)
    return made._replace(entry=made.entry._replace(mode=entry.mode, uid=entry.uid, gid=entry.gid))


def accounts(base: BaseImage) -> tuple[list[Mapping[str, object]], list[Mapping[str, object]]]:
    """Return the users and groups of a base in the form in which packages declare theirs."""
    groups = _rows(base.text(FILES["group"]), 2)
    names = {number: name for name, number in reversed(groups.items())}
    users: list[Mapping[str, object]] = []
    for line in base.text(FILES["passwd"]).splitlines():
        fields = line.split(":")
        if len(fields) >= 7 and all(text.isascii() and text.isdigit() for text in fields[2:4]):
            uid, gid = int(fields[2]), int(fields[3])
            users.append(
                {"name": fields[0], "uid": uid, "gid": gid, "group": names.get(gid, fields[0]), "home": fields[5],
                 "shell": fields[6], "comment": fields[4]}
            )  # fmt: skip
    return users, [{"name": name, "gid": gid} for name, gid in groups.items()]


def leave(generated: dict[str, GeneratedFile], base: BaseImage) -> None:
    """Remove the generated entries that would hide something of a base, other than what was merged."""
    for path, made in list(generated.items()):
        if made.rule != ACCOUNTS and made.entry.kind != meta.DIRECTORY and path in base.directories:
            del generated[path]
