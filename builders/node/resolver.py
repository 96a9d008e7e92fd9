"""Resolve the dependencies of a Node project to one version for each range, as npm does, from a registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from fpack.store.errors import FpackError

from .manifest import DependencySpec, WorkspaceMember, read_spec
from .model import MAX_PACKAGES, NODE_BINARIES, Graph, Importer, ModuleNode, NodePackage, Platform, suits
from .registry import ModuleRelease, Packument, RegistryError
from .semver import newest, parse, parse_range, satisfies


class UnresolvableModule(FpackError):
    """A dependency that no version satisfies."""

    exit_code = 4


class Packuments(Protocol):
    """The answers of a registry."""

    def packument(self, name: str) -> Packument: ...
    def expect(self, names: Iterable[str]) -> None: ...


class _Edge(NamedTuple):
    """A dependency to resolve. owner: key of the package that has it, or `run PATH` or `dev PATH` for a member."""

    owner: str
    name: str
    wanted: str
    optional: bool
    peer: bool


# What a member uses at run time, what it uses in development alone (name -> key), and its links to other members.
_Root = tuple[dict[str, str], dict[str, str], dict[str, str]]


def resolve(
    members: Sequence[WorkspaceMember],
    registry: Packuments,
    platform: Platform,
    *,
    dev: bool,
    preferred: Mapping[str, Sequence[str]] | None = None,
) -> Graph:
    """Return the packages that the project needs. dev: with what development needs.

    preferred: versions to keep if they satisfy. A version that is chosen already is taken again if it satisfies. Raise
    UnresolvableModule if there is none for a dependency.
    """
    own = {member.manifest.name: member.path for member in members if member.path and member.manifest.name}
    overrides = members[0].manifest.overrides if members else {}
    chosen: dict[str, dict[str, ModuleRelease]] = {}  # by name, then version
    uses: dict[str, dict[str, str]] = {}
    roots: dict[str, _Root] = {member.path: ({}, {}, {}) for member in members}
    level = [edge for member in members for edge in _edges_of_member(member, own, roots[member.path][2], dev)]
    while level:
        registry.expect(_specs(level, overrides))
        below: list[_Edge] = []
        # Peers come last, so that they take what others asked for.
        for edge in sorted(level, key=lambda e: e.peer):
            spec = read_spec(edge.name, overrides.get(edge.name, edge.wanted))
            release = _release(edge, spec, chosen, registry, platform, (preferred or {}).get(spec.name, ()))
            if release is None:
                continue
            key = f"{release.package.name}@{release.package.version}"
            _note(edge, key, roots, uses)
            if key in uses:
                continue
            uses[key] = {}
            chosen[spec.name][release.package.version] = release
            if len(uses) > MAX_PACKAGES:
                raise UnresolvableModule(f"There are more than {MAX_PACKAGES} packages")
            below += _edges_of_release(key, release)
        level = below
    nodes = {
        f"{r.package.name}@{v}": ModuleNode(r.package, uses[f"{r.package.name}@{v}"])
        for versions in chosen.values()
        for v, r in versions.items()
    }
    importers = [Importer(path, run, only, links) for path, (run, only, links) in roots.items()]
    if own:
        importers.append(Importer("", {}, {}, dict(own)))
    return Graph(nodes, importers)


def _edges_of_member(
    member: WorkspaceMember, own: Mapping[str, str], links: dict[str, str], dev: bool
) -> Iterator[_Edge]:
    """Yield the dependencies of a member that a registry has. Add those on other members to `links`.

    own: the paths of the members by name. Raise UnresolvableModule for a member that does not exist.
    """
    manifest = member.manifest
    # What the project expects its user to install is installed with it, as npm does. The range that it develops
    # with replaces that of a peer, and the package stays a peer: the program needs it without development too.
    own_dev = manifest.dev if dev else {}
    peers = {name: own_dev.get(name, w) for name, w in manifest.peers.items() if name not in manifest.required}
    development = {name: text for name, text in own_dev.items() if name not in peers}
    for wanted, is_dev in ((manifest.required, False), (peers, False), (development, True)):
        for name, text in wanted.items():
            if name in own:
                links[name] = own[name]
            elif read_spec(name, text).kind == "workspace":
                raise UnresolvableModule(
                    f"The workspace has no package {name}",
                    where=f"{member.path}/package.json".lstrip("/"),
                    why=f"the dependency is {text[:80]!r}",
                    hint="add its directory to the workspace, or use a release of a registry",
                )
            else:
                owner = f"{'dev' if is_dev else 'run'} {member.path}"
                is_peer = wanted is peers and name not in own_dev
                yield _Edge(owner, name, text, name in manifest.optional, is_peer)


def _edges_of_release(key: str, release: ModuleRelease) -> Iterator[_Edge]:
    """Yield the dependencies of a release that are not bundled with it, then its peers."""
    manifest = release.manifest
    bundled = _bundled(release)
    for name, wanted in manifest.required.items():
        if name not in bundled:
            yield _Edge(key, name, wanted, name in manifest.optional, False)
    for name, wanted in manifest.peers.items():
        if name not in manifest.required:
            yield _Edge(key, name, wanted, False, True)


def _release(
    edge: _Edge,
    spec: DependencySpec,
    chosen: dict[str, dict[str, ModuleRelease]],
    registry: Packuments,
    platform: Platform,
    preferred: Sequence[str],
) -> ModuleRelease | None:
    """Return the release for a dependency; None for one that can be omitted and is not there or not for the platform.

    Raise UnresolvableModule if another dependency has none.
    """
    if spec.kind != "registry":
        if edge.optional:
            return None
        raise UnresolvableModule(
            f"{edge.name} is required from {spec.wanted[:80]}",
            where=_name_of(edge.owner),
            why="files and repositories have no hash, so they cannot be fetched",
            hint="use a release of a registry",
        )
    release = _taken(spec, chosen.setdefault(spec.name, {}))
    if release is None:
        try:
            release = _pick(spec, registry.packument(spec.name), platform, preferred)
        except (RegistryError, UnresolvableModule) as error:
            if edge.optional or edge.peer:
                return None
            needed = f"{_name_of(edge.owner)} requires it"
            raise error.with_(why=f"{needed}; {error.why}" if error.why else needed) from None
    return None if edge.optional and not suits(release.entry, platform) else release


def _name_of(owner: str) -> str:
    """Return the owner of a dependency for a message: a package with its version, or a package.json of the project."""
    kind, separator, path = owner.partition(" ")
    return f"{path}/package.json".lstrip("/") if separator and kind in ("run", "dev") else owner


def _note(
    edge: _Edge,
    key: str,
    roots: Mapping[str, _Root],
    uses: Mapping[str, dict[str, str]],
) -> None:
    kind, sign, path = edge.owner.partition(" ")
    if sign:
        roots[path][0 if kind == "run" else 1][edge.name] = key
    else:
        uses[edge.owner][edge.name] = key


def _specs(level: Iterable[_Edge], overrides: Mapping[str, str]) -> list[str]:
    specs = [read_spec(edge.name, overrides.get(edge.name, edge.wanted)) for edge in level]
    return [spec.name for spec in specs if spec.kind == "registry"]


def _taken(spec: DependencySpec, known: Mapping[str, ModuleRelease]) -> ModuleRelease | None:
    """Return the newest version that is chosen already and satisfies."""
    found = newest(known, spec.wanted) if parse_range(spec.wanted) is not None else None
    return known[found] if found is not None else None


def _pick(spec: DependencySpec, packument: Packument, platform: Platform, preferred: Sequence[str]) -> ModuleRelease:
    """Return the best version: `latest` if it satisfies, else the newest; those for another Node come last."""
    tag = packument.tags.get(spec.wanted)
    if tag is not None and tag in packument.versions:
        return packument.release(tag)
    fitting = [version for version in packument.versions if satisfies(version, spec.wanted)]
    latest = packument.tags.get("latest", "")
    if spec.wanted in ("", "*", "x") and latest in packument.versions:
        fitting = fitting or [latest]
    if not fitting:
        known = sorted((v for v in packument.versions if parse(v)), key=lambda v: parse(v) or (0, 0, 0), reverse=True)
        raise UnresolvableModule(
            f"No version of {spec.name} satisfies {spec.wanted[:80]!r}",
            where=spec.name,
            why=f"there are {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}"
            if known
            else "it has no versions",
        )

    def rank(version: str) -> tuple[bool, bool, bool, bool, object]:
        release = packument.release(version)
        runs = not release.node or satisfies(platform.node, release.node) or parse_range(release.node) is None
        return (
            version in preferred and runs,
            runs,
            not release.deprecated,
            version == latest,
            parse(version) or (0, 0, 0),
        )

    return packument.release(max(fitting, key=rank))


def newest_release(name: str, wanted: str, node: str, registry: Packuments) -> NodePackage:
    """Return the newest version of a package in a range that runs with a version of Node ("": any).

    Of Node itself, the error for a range without a version names the newest version of each line.
    """
    spec = DependencySpec(name, wanted)
    platform = name.removeprefix(NODE_BINARIES)
    if platform != name:
        _require_node(spec, platform, registry)
    return _pick(spec, registry.packument(name), Platform(node or "999.0.0", ""), ()).package


def _require_node(spec: DependencySpec, cpu: str, registry: Packuments) -> None:
    """Raise UnresolvableModule if Node's authors have built no version in a range for a processor."""
    packument = registry.packument(spec.name)
    if any(satisfies(version, spec.wanted) for version in packument.versions):
        return
    known = sorted((found, version) for version in packument.versions if (found := parse(version)) and not found.is_pre)
    lines = list({found.major: version for found, version in known}.values())  # the newest of each
    raise UnresolvableModule(
        f"There is no Node {spec.wanted[:80]} for {cpu}",
        where=spec.name,
        why=f"the registry has {', '.join(reversed(lines))}" if lines else "the registry has none",
        hint="set `node` to a range that has one of them, or leave it out for that of the release",
    )


def _bundled(release: ModuleRelease) -> set[str]:
    listed = release.entry.get("bundleDependencies", release.entry.get("bundledDependencies"))
    if listed is True:
        return set(release.manifest.required)
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
