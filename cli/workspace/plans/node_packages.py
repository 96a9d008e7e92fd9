"""Plan the packages of a Node project for the library: from its lock, or resolved once and recorded in fpack.lock."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpack.cli.ui.render import counted
from fpack.store.errors import malformation

from .package_answers import PackageAnswers, damaged, text_field
from .project_files import file_text, relative

if TYPE_CHECKING:
    from fpack.builders.node.manifest import WorkspaceMember
    from fpack.builders.node.model import ModuleLayout, NodePackage, Platform

KIND, HASHES, TOOLS = "node", "npm", "node-tool"


def plan(given: Mapping[str, Any], answers: PackageAnswers) -> dict[str, Any]:
    """Return what a build installs.

    given: `node` and `arch` of the target; `version`: of another Node to use, or ""; `npm`: the build runs npm;
    `project` (package.json or its directory) and `lock`: absolute paths or "", below `root`; `omit`: kinds of
    dependencies. The plan has `packages` ({where, name, version, url, path, integrity, dev}), `links` ({where, to,
    dev}), and `npm` and `runtime`: archives of npm and of the other Node, or null.
    """
    from fpack.builders.node.model import CPUS, NODE_BINARIES, NodeLockUnreadable, Platform

    cpu = CPUS.get(given["arch"], given["arch"])
    runtime = _tool(f"{NODE_BINARIES}{cpu}", given["version"], "", answers) if given["version"] else None
    given = {**given, "node": runtime.version if runtime else given["node"]}
    npm = _tool("npm", "*", given["node"], answers) if given["npm"] else None
    platform = Platform(given["node"], cpu)
    omit = frozenset(given["omit"])
    root = given["root"]
    project = given["project"] or given["lock"]
    directory = project if os.path.isdir(project) else os.path.dirname(project)
    try:
        if given["lock"]:
            layout = _of_lock(given["lock"], directory, root, platform, omit)
        else:
            layout = _resolved(_members(directory, root), given, "dev" not in omit, answers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        where = relative(given["lock"] or project, root)
        why = "a chain of dependencies is too long" if isinstance(error, RecursionError) else malformation(error)
        raise NodeLockUnreadable("The packages of a Node project cannot be read", where=where, why=why) from None
    packages = _with_hashes([placed.package for placed in layout.packages], answers)
    return {
        "packages": [
            {"where": placed.where, "dev": placed.dev, **_archive(package)}
            for placed, package in zip(layout.packages, packages, strict=True)
        ],
        "links": [{"where": link.where, "to": link.to, "dev": link.dev} for link in layout.links],
        "npm": _archive(npm) if npm else None,
        "runtime": _archive(runtime) if runtime else None,
    }


def _archive(package: NodePackage) -> dict[str, Any]:
    from fpack.builders.node.registry import archive_path

    return {
        "name": package.name, "version": package.version, "url": package.url, "path": archive_path(package),
        "integrity": package.integrity,
    }  # fmt: skip


def _tool(name: str, wanted: str, node: str, answers: PackageAnswers) -> NodePackage:
    """Return a package of the registry that a build runs, in the newest version in a range for a version of Node."""
    from fpack.builders.node.model import NodePackage

    request = {"name": name, "wanted": wanted, **({"node": node} if node else {})}

    def ask(_: list[int]) -> list[list[dict[str, Any]]]:
        return [resolve_tool(request)]

    item = answers.answer(TOOLS, [request], ask, name)[0][0]
    return NodePackage(name, text_field(item, "version"), text_field(item, "url"), text_field(item, "integrity"))


def resolve_tool(request: Mapping[str, Any], former: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the archive of the newest version of a tool for a request, from the registry."""
    from fpack.builders.node.registry import Registry
    from fpack.builders.node.resolver import newest_release

    with Registry() as registry:
        tool = newest_release(request["name"], request["wanted"], request.get("node", ""), registry)
        (found,) = registry.hashed([tool])
    return [{"version": found.version, "url": found.url, "integrity": found.integrity}]


def _of_lock(lock: str, directory: str, root: str, platform: Platform, omit: frozenset[str]) -> ModuleLayout:
    from fpack.builders.node import placement
    from fpack.builders.node.package_lock import read_package_lock
    from fpack.builders.node.pnpm import read_pnpm_lock
    from fpack.builders.node.yarn import read_yarn_lock

    text, name = file_text(lock, root), os.path.basename(lock)
    if name.startswith("pnpm-lock") or name.endswith((".yaml", ".yml")):
        return placement.apart(read_pnpm_lock(text, platform), "dev" not in omit)
    if name.endswith(".json"):
        return read_package_lock(text, platform, omit)
    return placement.hoisted(read_yarn_lock(text, _members(directory, root), platform), "dev" not in omit)


def _members(directory: str, root: str) -> Sequence[WorkspaceMember]:
    """Return the packages of a project and of its workspace."""
    from fpack.builders.node.documents import parse_yaml
    from fpack.builders.node.manifest import read_members
    from fpack.builders.node.model import table

    def read(name: str) -> str | None:
        path = os.path.join(directory, name)
        return file_text(path, root) if os.path.isfile(path) else None

    def directories(at: str) -> list[str]:
        path = os.path.join(directory, at)
        found = sorted(os.listdir(path)) if os.path.isdir(path) else []
        return [
            name
            for name in found
            if os.path.isdir(os.path.join(path, name)) and not os.path.islink(os.path.join(path, name))
        ]

    listed = read("pnpm-workspace.yaml")
    more = table(parse_yaml(listed, aliases=True)).get("packages") if listed else None
    return read_members(read, directories, [p for p in more if isinstance(p, str)] if isinstance(more, list) else ())


# ---- without a lock


def _resolved(
    members: Sequence[WorkspaceMember], given: Mapping[str, Any], dev: bool, answers: PackageAnswers
) -> ModuleLayout:
    from fpack.builders.node.model import ModuleLayout, ModuleLink, NodePackage, NodePlacement, path_of

    wanted = []
    for member in members:
        manifest = member.manifest
        fields = {
            "path": member.path, "name": manifest.name if member.path else "", "required": dict(manifest.required),
            "dev": dict(manifest.dev) if dev else {}, "peers": dict(manifest.peers),
            "optional": sorted(manifest.optional),
            "overrides": dict(manifest.overrides),
        }  # fmt: skip
        wanted.append({key: value for key, value in fields.items() if value})
    request = {"node": given["node"], "arch": given["arch"], "members": wanted}
    if not any(field.get("required") or field.get("dev") or field.get("peers") for field in wanted):
        return ModuleLayout([])

    def ask(_: list[int]) -> list[list[dict[str, Any]]]:
        return [resolve(request, answers.former(KIND, {"arch": given["arch"]}))]

    items = answers.answer(KIND, [request], ask, "Node packages")[0]
    packages = [
        NodePlacement(
            path_of(text_field(i, "where")),
            NodePackage(
                text_field(i, "name"), text_field(i, "version"), text_field(i, "url"), text_field(i, "integrity")
            ),
            bool(text_field(i, "dev")),
        )
        for i in items
        if "to" not in i
    ]
    return ModuleLayout(
        packages,
        [ModuleLink(path_of(text_field(i, "where")), path_of(text_field(i, "to"))) for i in items if "to" in i],
    )


def resolve(request: Mapping[str, Any], former: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return what a request needs, from the registry. former: items whose versions are kept if they satisfy."""
    from fpack.builders.node.manifest import Manifest, WorkspaceMember
    from fpack.builders.node.model import CPUS, Platform
    from fpack.builders.node.placement import hoisted
    from fpack.builders.node.registry import Registry
    from fpack.builders.node.resolver import resolve as resolve_graph

    members = [
        WorkspaceMember(
            member.get("path", ""),
            Manifest(
                name=member.get("name", ""),
                required=member.get("required", {}),
                dev=member.get("dev", {}),
                peers=member.get("peers", {}),
                optional=frozenset(member.get("optional", ())),
                overrides=member.get("overrides", {}),
            ),
        )
        for member in request["members"]
    ]
    before: dict[str, list[str]] = {}
    for item in former:
        before.setdefault(str(item.get("name", "")), []).append(str(item.get("version", "")))
    platform = Platform(request["node"], CPUS.get(request["arch"], request["arch"]))
    with Registry() as registry:
        layout = hoisted(resolve_graph(members, registry, platform, dev=True, preferred=before), True)
        packages = registry.hashed([placed.package for placed in layout.packages])
    items: list[dict[str, Any]] = [
        {"where": placed.where, "name": p.name, "version": p.version, "url": p.url, "integrity": p.integrity,
         **({"dev": "true"} if placed.dev else {})}
        for placed, p in zip(layout.packages, packages, strict=True)
    ]  # fmt: skip
    return [*items, *({"where": link.where, "to": link.to} for link in layout.links)]


# ---- hashes that a lock lacks


def _with_hashes(packages: Sequence[NodePackage], answers: PackageAnswers) -> list[NodePackage]:
    """Return the packages with a SHA-2 digest each: of the lock, or recorded when the archive was first fetched."""
    weak = [package for package in packages if not package.integrity]
    if not weak:
        return list(packages)
    requests = [{k: v for k, v in package._asdict().items() if v} for package in weak]

    def ask(missing: list[int]) -> list[list[dict[str, Any]]]:
        from fpack.builders.node.registry import Registry

        with Registry() as registry:
            found = registry.hashed([weak[i] for i in missing])
        return [[{"integrity": package.integrity, "url": package.url}] for package in found]

    items = iter(answers.answer(HASHES, requests, ask, f"the SHA-512 of {counted(len(weak), 'Node package')}"))
    found = []
    for package in packages:
        if not package.integrity:
            item = next(items)
            if len(item) != 1:
                raise damaged(f"there is no SHA-512 of {package.name}")
            package = package._replace(
                integrity=text_field(item[0], "integrity"), url=text_field(item[0], "url"), sha1=""
            )
        found.append(package)
    return found
