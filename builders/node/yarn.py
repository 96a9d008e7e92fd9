"""Read yarn.lock: of Yarn 1, and of later versions, whose checksums are of archives that only Yarn makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .manifest import WorkspaceMember, read_spec
from .model import Graph, Importer, ModuleNode, NodePackage, Platform, name_of, suits, table, texts
from .package_lock import digests

# Possessive quantifiers keep time and memory linear in the length of the line.
_LINE = re.compile(r'( *)("(?:[^"\\]|\\.)*+"|[^\s:"]++)(?:: *| +)?("(?:[^"\\]|\\.)*+"|.*)\Z')
_PATTERN = re.compile(r'"((?:[^"\\]|\\.)*+)("?)|([^\s,":][^,"]*+)(,|\Z)?')
_MAX_RESOLUTION = 4096  # characters


def read_yarn_lock(text: str, members: Sequence[WorkspaceMember], platform: Platform) -> Graph:
    """Return the packages of a lock; raise ValueError for one that cannot be read."""
    if re.search(r"^__metadata:", text, re.MULTILINE):
        from .documents import parse_yaml

        return _berry(table(parse_yaml(text)), members, platform)
    return _classic(_parse_classic(text), members, platform)


# ---- Yarn 1


def _parse_classic(text: str) -> dict[str, dict[str, Any]]:
    """Return the entries by each of their patterns."""
    found: dict[str, dict[str, Any]] = {}
    entry: dict[str, Any] = {}
    section: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if indent == 0:
            if not line.endswith(":"):
                raise ValueError(f"line {number} is not an entry")
            entry = {}
            for pattern in _patterns(line, number):
                found[pattern] = entry
            section = None
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"line {number} cannot be read")
        key, value = _plain(match[2]), _plain(match[3])
        if indent == 2 and not value:
            section = entry.setdefault(key.rstrip(":"), {})
        elif indent == 2:
            entry[key], section = value, None
        elif section is not None:
            section[key] = value
    return found


def _patterns(line: str, number: int) -> Iterator[str]:
    """Yield the patterns of the line that begins an entry: `a@^1, "b@>=1 <2":`."""
    for match in _PATTERN.finditer(line):
        quoted, closed, plain, end = match.groups()
        if quoted is not None:
            if not closed:
                raise ValueError(f"line {number} has a string without an end")
            yield quoted
        elif end == "," or (end == "" and plain.endswith(":")):
            yield plain.removesuffix(":").rstrip() if end == "" else plain.rstrip()


def _plain(text: str) -> str:
    text = text.strip()
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if len(text) > 1 and text[0] == text[-1] == '"' else text


def _classic(entries: Mapping[str, Mapping[str, Any]], members: Sequence[WorkspaceMember], platform: Platform) -> Graph:
    own = {member.manifest.name: member.path for member in members if member.path}
    nodes: dict[str, ModuleNode] = {}
    keys: dict[int, str] = {}

    def key_of(name: str, wanted: str) -> str | None:
        entry = entries.get(f"{name}@{wanted}")
        if entry is None:
            return None
        if id(entry) in keys:
            return keys[id(entry)]
        version, url = str(entry.get("version", "")), str(entry.get("resolved", ""))
        spec = read_spec(name, wanted)
        plain, _, digest = url.partition("#")
        integrity, sha1 = digests(entry.get("integrity", ""))
        if not integrity and not sha1 and not re.fullmatch(r"[0-9a-f]{40}", digest):
            raise ValueError(f"{name} is locked from {url[:80] or 'nowhere'}, without a hash")
        key = keys[id(entry)] = f"{spec.name}@{version}#{len(keys)}"
        package = NodePackage(name_of(spec.name), version, plain, integrity, sha1 or ("" if integrity else digest))
        nodes[key] = ModuleNode(package, {})
        uses = {}
        for section, optional in (("dependencies", False), ("optionalDependencies", True)):
            for other, at in texts(entry.get(section)).items():
                found = key_of(other, at)
                if found is not None and (not optional or _by_name_suits(other, platform)):
                    uses[other] = found
        nodes[key] = ModuleNode(package, uses)
        return key

    importers = [
        Importer(
            member.path,
            _chosen(member.manifest.required, own, key_of),
            _chosen(member.manifest.dev, own, key_of),
            {name: own[name] for name in (*member.manifest.required, *member.manifest.dev) if name in own},
        )
        for member in members
    ]
    importers += [Importer("", {}, {}, {name: path for name, path in own.items() if name})] if own else []
    return Graph(nodes, importers)


def _chosen(wanted: Mapping[str, str], own: Mapping[str, str], key_of: Any) -> dict[str, str]:
    found = {}
    for name, text in wanted.items():
        key = key_of(name, text)
        if key is not None:
            found[name] = key
        elif name not in own and not text.startswith(("file:", "link:", "workspace:", "portal:")):
            raise ValueError(f"{name}@{text} of package.json is not in the lock: run yarn install")
    return found


_SYSTEMS = re.compile(
    r"(darwin|win32|windows|freebsd|openbsd|netbsd|sunos|android|aix|openharmony|wasm32|musl|gnueabihf|"
    r"linux-(?:x64|arm64|arm|ia32|ppc64|s390x|riscv64|loong64|mips64el|loongarch64)|fsevents)"
)
_FOREIGN = re.compile(r"darwin|win32|windows|freebsd|openbsd|netbsd|sunos|android|aix|openharmony|wasm32|musl|fsevents")


def _by_name_suits(name: str, platform: Platform) -> bool:
    """Return whether an optional package suits, by the platform in its name: Yarn's locks say no more."""
    found = _FOREIGN.search(name)
    linux = re.search(r"linux-(x64|arm64|arm|ia32|ppc64|s390x|riscv64|loong64|loongarch64|mips64el)", name)
    return found is None and (linux is None or linux[1] == platform.cpu)


# ---- later versions


def _berry(data: Mapping[str, Any], members: Sequence[WorkspaceMember], platform: Platform) -> Graph:
    entries: dict[str, dict[str, Any]] = {}
    for patterns, entry in data.items():
        if patterns != "__metadata" and isinstance(entry, dict):
            entries.update(dict.fromkeys((p.strip() for p in str(patterns).split(",")), entry))
    own = {member.manifest.name: member.path for member in members if member.path}
    nodes: dict[str, ModuleNode] = {}

    def key_of(name: str, wanted: str) -> str | None:
        entry = _berry_entry(entries, name, wanted)
        if entry is None:
            return None
        resolution = str(entry.get("resolution", ""))
        if "@workspace:" in resolution or "@link:" in resolution:
            return None
        if len(resolution) > _MAX_RESOLUTION:
            raise ValueError(f"{name} is locked from {resolution[:80]}..., which is too long")
        patch = re.match(r"(.+?)@patch:\1@npm%3A([^#]+)#", resolution)
        match = re.match(r"(.+?)@npm:([^:]+)(?:::.*)?\Z", resolution)
        if match is None and patch is None:
            raise ValueError(f"{name} is locked from {resolution[:80]}, and not from a registry")
        found = patch or match
        assert found is not None
        key = resolution
        if key not in nodes:
            package = NodePackage(name_of(found[1]), found[2].split("::")[0])
            nodes[key] = ModuleNode(package, {})
            optional = {
                n for n, m in table(entry.get("dependenciesMeta")).items() if table(m).get("optional") == "true"
            }
            uses = {}
            for other, at in texts(entry.get("dependencies")).items():
                below = key_of(other, at)
                if below is not None and (other not in optional or _suits(entries, other, at, platform)):
                    uses[other] = below
            nodes[key] = ModuleNode(package, uses)
        return key

    importers = [
        Importer(
            member.path,
            {n: k for n, t in member.manifest.required.items() if (k := key_of(n, t)) is not None},
            {n: k for n, t in member.manifest.dev.items() if (k := key_of(n, t)) is not None},
            {n: own[n] for n in (*member.manifest.required, *member.manifest.dev) if n in own},
        )
        for member in members
    ]
    return Graph(nodes, [*importers, *([Importer("", {}, {}, dict(own))] if own else [])])


def _berry_entry(entries: Mapping[str, dict[str, Any]], name: str, wanted: str) -> dict[str, Any] | None:
    for pattern in (f"{name}@{wanted}", f"{name}@npm:{wanted}"):
        if pattern in entries:
            return entries[pattern]
    return next((e for p, e in entries.items() if p.startswith(f"{name}@patch:{name}@")), None)


def _suits(entries: Mapping[str, dict[str, Any]], name: str, wanted: str, platform: Platform) -> bool:
    conditions = str((_berry_entry(entries, name, wanted) or {}).get("conditions", ""))
    found = dict(re.findall(r"(os|cpu|libc)=(\w+)", conditions))
    return suits({key: [value] for key, value in found.items()}, platform) if found else _by_name_suits(name, platform)
