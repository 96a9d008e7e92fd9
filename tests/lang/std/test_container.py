"""Test which derivations the fields of a container become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.protocols import NoPackage
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output
from fpack.store.path import find_references
from support.archives.packages import DEPENDS, Everything, Files, Packages

CODEC = {"name": "zstd", "level": 3, "threads": 2, "library": "test"}
RELEASE_FILES = ["/etc/debian_version", "/etc/os-release", "/usr/lib/os-release"]


class World:
    """An evaluation of one container, and a way from a placeholder to what is behind it."""

    def __init__(self, root: Path, cache: Path, fields: str, packages: Packages | None = None) -> None:
        settings = {"arch": "amd64", "codec": CODEC}
        packages = packages or Packages()
        self.evaluator = Evaluator(root=root, cache=cache, packages=packages, sources=Files(), settings=settings)
        text = f'let debian = import("fpack/debian").trixie in container {{ {fields} }}'
        self.value = self.evaluator.expression(text)

    def get(self, *names: str) -> Any:
        return self.evaluator.force(self.evaluator.select(self.value, list(names)), deep=True)

    def derivation(self, value: Any) -> Derivation:
        digest, _, _ = self.evaluator.derivation_of(value)
        return derivation.decode(self.evaluator.derivations[digest])

    @property
    def image(self) -> Derivation:
        return self.derivation(self.get("image"))

    @property
    def root(self) -> Derivation:
        return self.derivation(self.image.args["root"])

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        return {e["path"]: e for e in self.derivation(self.image.args["files"]).args["entries"]}

    def slices(self) -> dict[str, Derivation]:
        return {s["package"]: self.derivation(s["slice"]) for s in self.root.args["slices"]}


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> Any:
    return lambda fields: World(tmp_path, cache, fields)


# The packages by which others are configured.
TOOLS = [
    "adduser", "base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debconf", "debianutils",
    "diffutils", "dpkg", "findutils", "grep", "gzip", "hostname", "init-system-helpers", "libc-bin", "libfaketime",
    "login", "mawk", "ncurses-base", "ncurses-bin", "passwd", "perl-base", "sed", "sensible-utils", "sysvinit-utils",
    "tar", "ucf", "util-linux",
]  # fmt: skip


class WithDpkg(Packages):
    """Also has what configures packages."""

    depends = {**DEPENDS, **{name: DEPENDS.get(name, []) for name in TOOLS}}


ESSENTIAL = {"bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "hostname", "libc-bin"} | {
    "mawk", "perl-base", "sed", "tar", "bsdutils", "debianutils", "ncurses-base", "ncurses-bin", "passwd", "util-linux",
}  # fmt: skip


def test_a_declared_closure(world: Any) -> None:
    w = world("packages = [debian.postgresql-17]")
    root = w.root
    assert (root.kind, root.args["mode"], root.args["release"], root.args["arch"]) == (
        "root",
        "depends",
        "trixie",
        "amd64",
    )
    assert root.args["wants"] == [] and root.args["alternatives"] == {}
    table = {s["package"]: (s["version"], s["seed"], s["depends"]) for s in root.args["slices"]}
    # Of the Essential packages, which nobody declares, the root takes what scripts need; one has the locale.
    spare = {name for name in table if name in ESSENTIAL}
    assert spare == ESSENTIAL and len(root.candidates) == len(ESSENTIAL) - 1
    assert {name: row for name, row in table.items() if name not in spare} == {
        "base-files": ("1.0-1", True, []),
        "libc6": ("1.0-1", False, ["libgcc-s1"]),
        "libgcc-s1": ("1.0-1", False, ["libc6"]),
        "postgresql-17": ("17.5-1+deb13u1", True, ["libc6", "postgresql-common"]),
        "postgresql-common": ("1.0-1", False, ["libc6"]),
    }
    assert len(root.inputs) == 5 + 1
    assert [u["name"] for u in root.args["users"]] == ["postgres"]
    assert root.args["users"][0] == {
        "name": "postgres", "uid": 999, "gid": 999, "group": "postgres", "home": "/var/lib/postgresql",
        "shell": "/bin/bash", "comment": "PostgreSQL administrator",
    }  # fmt: skip


def test_a_linked_closure_lists_its_required_files(world: Any) -> None:
    w = world(
        'packages = [debian.dash], closure = "linked", wants = ["libx.so.1", "/usr/share/x"], interpreted = false'
    )
    root = w.root
    assert root.args["mode"] == "linked" and root.args["wants"] == ["libx.so.1", "/usr/share/x"]
    seeds = {s["package"]: s["slice"] for s in root.args["slices"] if s["seed"]}
    others = {s["package"]: s["slice"] for s in root.args["slices"] if not s["seed"]}
    assert set(seeds) == {"base-files", "dash"} and set(others) == {"libc6", "libgcc-s1"}

    def outputs(texts: dict[str, str]) -> set[Output]:
        return {Output(*w.evaluator.derivation_of(t)[:2]) for t in texts.values()}

    assert set(root.inputs) == outputs(seeds) and set(root.candidates) == outputs(others)
    slices = w.slices()
    assert slices["base-files"].args["keep"] == RELEASE_FILES
    assert slices["dash"].args["keep"] is None
    assert "/usr/share/menu" in slices["dash"].args["drop"]


def test_a_linked_closure_can_take_what_interpreted_programs_call(world: Any) -> None:
    w = world('packages = [debian.dash], closure = "linked"')
    assert w.root.args["interpreted"] is True
    others = {s["package"] for s in w.root.args["slices"] if not s["seed"]}
    assert {"bash", "coreutils", "sed", "libc-bin"} <= others
    assert world("packages = [debian.dash]").root.args.get("interpreted") is None


def test_commands_to_try_change_no_derivation(world: Any) -> None:
    fields = 'packages = [debian.dash], closure = "linked"'
    assert world(f'{fields}, try = "dash -c true"').get("try") == "dash -c true"
    plain, tried = world(fields), world(f'{fields}, try = ["dash", "-c", "true"]')
    assert plain.image.encode() == tried.image.encode()
    assert tried.get("try") == ["dash", "-c", "true"]


@pytest.mark.parametrize("given", ["[1]", '[""]', '""', "[[]]", '[["a", 1]]'])
def test_commands_to_try_have_a_form(world: Any, given: str) -> None:
    with pytest.raises(EvalError, match="`try` is a command line, or a list of words"):
        world(f"packages = [debian.dash], try = {given}").get("image")


@pytest.mark.parametrize("closure", ["depends", "linked"])
def test_a_package_of_data_that_another_uses_is_included_without_its_dependencies(world: Any, closure: str) -> None:
    w = world(f'packages = [debian.curl], closure = "{closure}"')
    slices = {s["package"]: s for s in w.root.args["slices"]}
    assert slices["ca-certificates"]["seed"] and "openssl" not in slices
    assert slices["ca-certificates"]["used"] == [{"by": "curl", "why": "the certificates of https servers"}]
    assert w.slices()["ca-certificates"].args["keep"] == ["/usr/share/ca-certificates"]
    assert "used" not in slices["curl"]


class WithApt(Packages):
    """Also has packages that rely on Essential ones without a dependency."""

    depends = {
        **DEPENDS, "libapt-pkg7.0": ["libc6"], "apt": ["libapt-pkg7.0"], "dpkg": ["tar", "libmd0"], "libmd0": ["libc6"],
        "sensible-utils": [], "ucf": ["sensible-utils"], "adduser": [], "findutils": ["libc6"], "bsdutils": ["libc6"],
    }  # fmt: skip


@pytest.mark.parametrize("closure", ["depends", "linked"])
def test_an_essential_package_that_another_relies_on_is_included_with_its_dependencies(
    tmp_path: Path, cache: Path, closure: str
) -> None:
    def slices(names: str) -> dict[str, Any]:
        w = World(tmp_path, cache, f'packages = [{names}], closure = "{closure}", configure = false', WithApt())
        assert w.root.args.get("database", False) == ("dpkg" in names or "apt" in names)
        return {s["package"]: s for s in w.root.args["slices"]}

    apt = slices("debian.apt")
    assert apt["dpkg"]["seed"] and apt["dpkg"]["depends"] == ["tar", "libmd0"] and "libmd0" in apt
    assert apt["dpkg"]["used"][0]["by"] in ("apt", "libapt-pkg7.0")
    assert "used" not in slices("debian.apt, debian.dpkg")["dpkg"], "it is listed"
    assert slices("debian.sensible-utils")["util-linux"]["used"][0]["by"] == "sensible-utils"
    assert "used" not in slices("debian.ucf").get("util-linux", {}), "nobody runs its pager"
    adduser = slices("debian.adduser")
    assert adduser["findutils"]["used"][0]["by"] == adduser["bsdutils"]["used"][0]["by"] == "adduser"
    assert "dpkg" not in slices("debian.curl")


def test_a_release_without_the_essential_package_needs_none(tmp_path: Path, cache: Path) -> None:
    class Without(WithApt):
        depends = {name: names for name, names in WithApt.depends.items() if name != "dpkg"}

    w = World(tmp_path, cache, "packages = [debian.apt]", Without())
    assert "dpkg" not in [s["package"] for s in w.root.args["slices"]]


def test_a_listed_package_of_data_is_included_as_listed(world: Any) -> None:
    w = world("packages = [debian.curl, debian.ca-certificates]")
    slices = {s["package"]: s for s in w.root.args["slices"]}
    assert "used" not in slices["ca-certificates"] and "openssl" in slices
    assert w.slices()["ca-certificates"].args["keep"] is None
    w = world('packages = [debian.curl], rules = { ca-certificates = { keep = ["/x"] } }')
    assert w.slices()["ca-certificates"].args["keep"] == ["/x"]


@pytest.mark.parametrize(
    ("package", "kept"),
    [("dash", False), ("zsh-common", True), ("python3-doc", False)],
)
def test_the_functions_of_a_package_are_not_dropped_as_documentation(
    tmp_path: Path, cache: Path, package: str, kept: bool
) -> None:
    evaluator = Evaluator(root=tmp_path, cache=cache, packages=Packages(), sources=Files(), settings={"arch": "amd64"})
    text = (
        f'let p = {{ name = "{package}" }} in import("fpack/rules").table([p], [], {{}}, false, null, [])."{package}"'
    )
    drop = evaluator.force(evaluator.select(evaluator.expression(text), ["drop"]), deep=True)
    assert ("/usr/share/zsh/site-functions" not in drop) == kept
    assert ("/usr/share/doc" in drop) == (not package.endswith("-doc"))


@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ("git-man", "/usr/share/man"),
        ("aptitude-doc-en", "/usr/share/doc"),
        ("doc-debian", "/usr/share/doc"),
        ("libc-l10n", "/usr/share/locale/*/LC_*"),
        ("krb5-locales", "/usr/share/locale/*/LC_*"),
    ],
)
def test_documentation_and_translations_are_kept_if_they_are_listed(
    tmp_path: Path, cache: Path, name: str, glob: str
) -> None:
    evaluator = Evaluator(root=tmp_path, cache=cache, packages=Packages(), sources=Files(), settings={"arch": "amd64"})
    for listed in (True, False):
        p = f'{{ name = "{name}", rule = {{ keep = null, drop = [], setuid = [] }} }}'
        names = "[p]" if listed else "[]"
        text = f'let p = {p} in import("fpack/rules").table([p], {names}, {{}}, false, null, [])."{name}"'
        drop = evaluator.force(evaluator.select(evaluator.expression(text), ["drop"]), deep=True)
        assert (glob in drop) is not listed


def test_from_the_archive_to_a_slice(world: Any) -> None:
    w = world("packages = [debian.sudo]")
    piece = w.slices()["sudo"]
    assert (piece.kind, piece.name) == ("slice", "sudo-1.0-1-slice")
    assert piece.args["drop"][:2] == ["/usr/share/man", "/usr/share/doc"] and piece.args["setuid"] == []
    assert "/usr/share/menu" not in piece.args["drop"]
    payload = w.derivation(piece.args["payload"])
    assert payload.kind == "deb" and {k: payload.args[k] for k in ("package", "version", "arch")} == {
        "package": "sudo", "version": "1.0-1", "arch": "amd64"
    }  # fmt: skip
    fetch = w.derivation(payload.args["deb"])
    assert (fetch.kind, fetch.name) == ("fetch", "sudo_1.0-1_amd64.deb")
    pin = Packages().package("trixie", "sudo")
    assert fetch.args == {
        "urls": ["mirror://debian-security/pool/main/s/sudo/sudo_1.0-1_amd64.deb"],
        "sha256": pin["sha256"], "size": pin["size"], "executable": False,
    }  # fmt: skip
    assert w.derivation(w.slices()["libc6"].args["payload"]).name == "libc6-1.0-1"


def test_rules_add_up(world: Any) -> None:
    w = world(
        'packages = [debian.dash.slice { drop = ["/a"], setuid = ["/s"] }, debian.sudo], drop = ["/common"],'
        'rules = { dash = { keep = ["/k"], drop = ["/b", "/common"] }, libc6 = { keep = ["/usr/lib"] } }'
    )
    slices = w.slices()
    assert slices["dash"].args == {
        **slices["dash"].args,
        "keep": ["/k"],
        "drop": ["/common", "/a", "/b"],
        "setuid": ["/s"],
    }
    assert slices["sudo"].args["drop"] == ["/common"] and slices["sudo"].args["keep"] is None
    assert slices["libc6"].args["keep"] == ["/usr/lib"] and slices["libgcc-s1"].args["keep"] is None


def test_base_files_is_complete_on_request(world: Any) -> None:
    for fields in (
        "packages = [debian.dash, debian.base-files]",
        "packages = [debian.dash], rules = { base-files = {} }",
    ):
        assert world(f'{fields}, closure = "linked"').slices()["base-files"].args["keep"] is None


def test_set_id_bits_of_the_only_package(world: Any) -> None:
    slices = world('packages = [debian.sudo], setuid = ["/usr/bin/sudo"]').slices()
    assert slices["sudo"].args["setuid"] == ["/usr/bin/sudo"]
    assert slices["libc6"].args["setuid"] == [] and slices["base-files"].args["setuid"] == []


def test_an_image(world: Any) -> None:
    w = world(
        """packages = [debian.dash], name = "example.org/team/app", tag = "1.0"
        entrypoint = ["/usr/bin/dash", "-c", 5], command = ["x"], env = { PORT = 80, DEBUG = false, NAME = "n" }
        user = "app", workdir = "/srv", ports = [80, "53/udp"], volumes = ["/data"], labels = { a = "b", n = 1 }
        stop-signal = "SIGQUIT", max-layers = 20
        healthcheck = { command = ["/bin/true"], interval = "30s", start-period = 5, retries = 2 }
        users = { app = { uid = 1001, home = "/srv" } }, alternatives = { "/usr/bin/awk" = "/usr/bin/mawk" }"""
    )
    image = w.image
    assert (image.kind, image.name) == ("image", "app")
    args = dict(image.args)
    root = args.pop("root")
    assert args == {
        "name": "example.org/team/app",
        "tag": "1.0",
        "files": None,
        "paths": [],
        "program": None,
        "codec": CODEC,
        "arch": "amd64",
        "max_layers": 20,
        "config": {
            "entrypoint": ["/usr/bin/dash", "-c", "5"],
            "command": ["x"],
            "env": {"LANG": "C.UTF-8", "PORT": "80", "DEBUG": "false", "NAME": "n"},
            "user": "app",
            "workdir": "/srv",
            "ports": [80, "53/udp"],
            "volumes": ["/data"],
            "labels": {"a": "b", "n": "1"},
            "stop_signal": "SIGQUIT",
            "healthcheck": {
                "command": ["/bin/true"], "interval": "30s", "timeout": None, "start_period": 5, "retries": 2
            },
        },
    }  # fmt: skip
    assert w.derivation(root).name == "app-root"
    assert w.root.args["alternatives"] == {"/usr/bin/awk": "/usr/bin/mawk"}
    assert w.root.args["users"] == [
        {
            "name": "app",
            "uid": 1001,
            "gid": 1001,
            "group": "app",
            "home": "/srv",
            "shell": "/usr/sbin/nologin",
            "comment": "",
        }
    ]


def test_the_name_and_command_of_a_container(world: Any) -> None:
    w = world('packages = [debian.dash, debian.sudo], ports = [1], run-options = ["--tmpfs /tmp"]')
    assert (w.get("type"), w.get("name"), w.get("tag")) == ("container", "dash", "1-0.5.12-rc1-2")
    assert w.get("ports") == [1] and w.get("run-options") == ["--tmpfs /tmp"]
    assert [p["name"] for p in w.get("packages")] == ["dash", "sudo"]
    assert w.image.args["program"] == "dash"
    assert world('packages = [debian."g++"]').get("name") == "gpp"
    assert world('packages = [debian.dash], command = ["x"]').image.args["program"] is None
    assert world('packages = [debian.dash, debian.sudo], program = "sudo"').image.args["program"] == "sudo"


def test_files(world: Any, tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("#!/bin/sh")
    (tmp_path / "start.sh").chmod(0o755)
    (tmp_path / "conf").write_text("x")
    w = world(
        """packages = [debian.dash], users = { app = { uid = 1001, gid = 1002 } }
        files = {
          "/etc/motd" = "Hello"
          "/start" = ./start.sh
          "/conf" = ./conf
          "/made" = text("t", "#!/bin/sh", executable = true)
          "/long" = { text = "x", mode = "4750", user = "app", group = "www-data" }
          "/own" = { source = ./conf, uid = 7, gid = 8, mode = "400" }
          "/named" = { text = "", user = "app" }
        }
        directories = { "/srv/data" = { mode = "0700", user = "app" }, "/empty" = null }
        links = { "/l" = "/start" }"""
    )
    files = w.files
    assert list(files) == sorted(files)
    assert files["/etc/motd"] == {
        "path": "/etc/motd",
        "kind": "file",
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "text": "Hello",
    }
    assert files["/start"]["mode"] == 0o755 and files["/conf"]["mode"] == 0o644 and files["/made"]["mode"] == 0o755
    assert w.derivation(files["/start"]["source"]).kind == "source"
    assert w.derivation(files["/made"]["source"]).args["text"] == "#!/bin/sh"
    assert (files["/long"]["mode"], files["/long"]["uid"], files["/long"]["gid"]) == (0o4750, 1001, 33)
    assert (files["/own"]["mode"], files["/own"]["uid"], files["/own"]["gid"]) == (0o400, 7, 8)
    assert (files["/named"]["uid"], files["/named"]["gid"]) == (1001, 1002)
    assert files["/srv/data"] == {"path": "/srv/data", "kind": "directory", "mode": 0o700, "uid": 1001, "gid": 1002}
    assert files["/empty"] == {"path": "/empty", "kind": "directory", "mode": 0o755, "uid": 0, "gid": 0}
    assert files["/l"] == {"path": "/l", "kind": "symlink", "mode": 0o777, "uid": 0, "gid": 0, "target": "/start"}


def test_referenced_outputs_are_in_the_image(world: Any) -> None:
    w = world(
        """packages = [debian.dash, derivation { kind = "exec", name = "built" }]
        entrypoint = ["${text("tool", "")}/bin/x"], env = { A = "${text("a", "")}" }
        files = {
          "/f" = "see ${text("b", "")}"
          "/g" = text("g", "see ${text("c", "")}")
          "/h" = fetch { url = "https://example.org/h", sha256 = DIGEST }
          "/i" = derivation { kind = "exec", name = "i" }
        }
        links = { "/l" = "${text("d", "")}/x" }""".replace("DIGEST", f'"{"0" * 64}"')
    )
    paths = w.image.args["paths"]
    assert sorted(find_references(p)[0][1] for p in paths) == ["a", "b", "built", "c", "d", "i", "tool"]
    assert paths == sorted(paths)
    assert len(w.image.inputs) == len(paths) + 2  # and the root and the files


class TestConfigure:
    """Maintainer scripts, in a release that has dpkg."""

    @pytest.fixture
    def world(self, tmp_path: Path, cache: Path) -> Any:
        return lambda fields: World(tmp_path, cache, fields, WithDpkg())

    def test_a_declared_closure_is_configured_with_all_that_scripts_need(self, world: Any) -> None:
        w = world("packages = [debian.postgresql-17.slice { drop = ['/x'] }], drop = ['/y']".replace("'", '"'))
        made = w.derivation(w.root.args["configured"])
        assert (made.kind, made.name) == ("configure", "postgresql-17-configured")
        assert w.root.args["configured_drop"] == ["/y"] and made.args["skip"] == []
        names = [p["package"] for p in made.args["packages"]]
        assert names == sorted(names) and {"postgresql-17", "libc6", *TOOLS} == {*names} - {
            "libgcc-s1",
            "postgresql-common",
        }
        assert {p["package"]: p["depends"] for p in made.args["packages"]}["libc6"] == ["libgcc-s1"]
        whole = w.derivation(made.args["root"])
        assert (whole.kind, whole.args["mode"], whole.candidates) == ("root", "depends", ())
        assert whole.args["users"] == w.root.args["users"] != []
        for item, package in zip(whole.args["slices"], made.args["packages"], strict=True):
            slice_ = w.derivation(item["slice"])
            assert (slice_.args["keep"], slice_.args["drop"]) == (None, [])
            assert slice_.args["payload"] == package["payload"]

    def test_a_package_with_another_file_is_configured_from_it(self, world: Any) -> None:
        w = world('packages = [debian.dash.with { deb = text("other", "") }]')
        made = w.derivation(w.root.args["configured"])
        (payload,) = [p["payload"] for p in made.args["packages"] if p["package"] == "dash"]
        assert w.derivation(w.derivation(payload).args["deb"]).name == "other"

    @pytest.mark.parametrize(
        ("fields", "runs"),
        [
            ("", True),
            ("configure = true", True),
            ("configure = false", False),
            ('closure = "linked"', False),
            ('closure = "linked", configure = true', True),
            ("configure = { skip = [] }", True),
        ],
    )
    def test_when_scripts_run(self, world: Any, fields: str, runs: bool) -> None:
        assert ("configured" in world(f"packages = [debian.dash], {fields}").root.args) is runs

    def test_nothing_is_configured_for_a_built_package_or_a_shell(self, world: Any) -> None:
        w = world('packages = [derivation { kind = "exec", name = "app", version = "2" }]')
        assert "configured" not in w.root.args
        shell = w.evaluator.expression('shell { packages = [import("fpack/debian").trixie.dash], base = [] }')
        assert "configured" not in w.derivation(w.evaluator.select(shell, ["root"])).args

    def test_scripts_can_be_skipped(self, world: Any) -> None:
        w = world('packages = [debian.dash], configure = { skip = ["dpkg"] }')
        assert w.derivation(w.root.args["configured"]).args["skip"] == ["dpkg"]

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ('{ skip = ["absent"] }', "skips absent, which is not among the packages"),
            ("{ ski = [] }", "has no field `ski`"),
            ("5", "configure"),
        ],
    )
    def test_mistakes(self, world: Any, value: str, reason: str) -> None:
        with pytest.raises(EvalError, match=reason):
            world(f"packages = [debian.dash], configure = {value}").get("root")

    def test_a_container_can_be_changed_not_to_configure(self, world: Any) -> None:
        w = world("packages = [debian.dash]")
        value = w.evaluator.call(w.evaluator.expression("c => c.with { configure = false }"), w.value)
        assert "configured" not in w.derivation(w.evaluator.select(value, ["root"])).args


def test_known_users_share_numbers(world: Any) -> None:
    both = "packages = [debian.postgresql-17, debian.redis-server]"
    assert [u["name"] for u in world(both).root.args["users"]] == ["postgres"]
    assert [u["name"] for u in world(f'{both}, user = "redis"').root.args["users"]] == ["redis"]
    given = world(f"{both}, users = {{ redis = {{ uid = 500 }} }}").root.args["users"]
    assert [(u["name"], u["uid"]) for u in given] == [("postgres", 999), ("redis", 500)]
    assert world("packages = [debian.dash]").root.args["users"] == []


def test_with_rebuilds_dependent_fields(world: Any) -> None:
    w = world("packages = [debian.dash]")
    other = w.evaluator.expression(
        'container { packages = [import("fpack/debian").trixie.dash] }.with { ports = [99], closure = "linked" }'
    )
    image = w.derivation(w.evaluator.select(other, ["image"]))
    assert image.args["config"]["ports"] == [99]
    assert w.derivation(image.args["root"]).args["mode"] == "linked"


def test_a_container_of_one_package(world: Any) -> None:
    w = world("packages = [debian.dash]")
    package = w.evaluator.expression('import("fpack/debian").trixie.dash')
    value = w.evaluator.call(w.evaluator.expression("container-for"), package)
    assert w.evaluator.derivation_of(w.evaluator.select(value, ["image"])) == w.evaluator.derivation_of(w.get("image"))


def test_a_container_without_debian_packages(world: Any) -> None:
    w = world('packages = [derivation { kind = "exec", name = "app", version = "2" }]')
    assert w.get("name") == "app" and w.get("tag") == "latest"
    assert w.image.args["program"][1] == "app" and w.image.args["program"][0] in w.image.args["paths"]
    assert w.image.args["config"]["env"]["PATH"].startswith(f"{w.image.args['program'][0]}/bin:")
    assert w.root.args["release"] == "trixie" and list(w.slices()) == ["base-files"]
    assert world('packages = [], name = "x", tag = "y", release = "bookworm"').root.args["release"] == "bookworm"


def test_nothing_depends_on_the_machine(tmp_path: Path, cache: Path) -> None:
    found = []
    for name in ("one", "two"):
        place = tmp_path / name
        place.mkdir()
        (place / "conf").write_text("x")
        w = World(place, cache, 'packages = [debian.dash], files = { "/conf" = ./conf }')
        found.append(w.get("image", "out"))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("packages = [debian.dash], port = 80", "has no field `port`"),
        ("packages = [5]", "takes packages and derivations"),
        ("packages = [debian.dash.payload]", "list the one whose payload or slice this is"),
        ('packages = [debian.dash], release = "bookworm"', "of one release"),
        ("packages = []", "needs a `name`"),
        ('packages = [debian.dash], files = { "/x" = { text = "a", source = ./y } }', "either a `text` or a `source`"),
        ('packages = [debian.dash], files = { "/x" = 5 }', "is a string, a path"),
        ('packages = [debian.dash], files = { "/x" = { tekst = "a" } }', "has no field `tekst`"),
        ('packages = [debian.dash], directories = { "/x" = "0755" }', "a record of its mode"),
        ('packages = [debian.dash], links = { "/x" = 5 }', "The target of the link /x is a string, and this is an int"),
        ('packages = [debian.dash], users = { a = { home = "/x" } }', "needs the field `uid`"),
        ("packages = [debian.dash], healthcheck = { test = [] }", "has no field `test`"),
        ("packages = [debian.dash], env = { A = null }", "`A` in `env` is text, and this is null"),
    ],
)
def test_mistakes(world: Any, fields: str, reason: str) -> None:
    with pytest.raises(EvalError, match=reason) as caught:
        world(fields)
    assert caught.value.file == "<command line>" and caught.value.hint is not None


LIB = 'package { name = "lib", meta = { purl = "pkg:x/lib" } }'
APP = f'package {{ name = "app", meta = {{ licence = "MIT" }}, libs = [{LIB}] }}'


def test_meta_is_told_beside_the_image(tmp_path: Path, cache: Path) -> None:
    def world(fields: str) -> World:
        return World(tmp_path, cache, fields, Everything())

    w = world(f'packages = [{APP}, debian.dash], meta = {{ description = "an image" }}')
    bare = world('packages = [package { name = "app", libs = [package { name = "lib" }] }, debian.dash]')
    assert w.image == bare.image and w.root == bare.root, "no build depends on it"
    found = {w.derivation(item["of"]).name: item["meta"] for item in w.get("described")}
    assert found == {"app": {"description": "an image"}, "app-0": {"licence": "MIT"}, "lib-0": {"purl": "pkg:x/lib"}}
    assert bare.get("described") == [] == world("packages = [debian.dash]").get("described")


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ('{ license = "MIT" }', "has no field license; its fields are homepage, description, licence, maintainers"),
        ('{ licence = "MIT\\n" }', "an SPDX expression"),
        ('{ homepage = "example.org" }', "a web address"),
        ('{ description = "a\\nb" }', "one line"),
        ('{ maintainers = ["a <b"] }', "NAME or NAME <ADDRESS>"),
        ('{ originator = "a\\u{1b}" }', "NAME or NAME <ADDRESS>"),
        ('{ cpe = "cpe:2.3:a:b" }', "a CPE name"),
        ('{ purl = "lib" }', "a package URL"),
        ('{ homepage = 1 }', "is a string"),
        ('{ maintainers = "Ann" }', "is a"),
    ],
)  # fmt: skip
def test_wrong_meta_is_an_error_at_its_place(world: Any, meta: str, reason: str) -> None:
    for fields in (f"packages = [debian.dash], meta = {meta}", f'packages = [package {{ name = "a", meta = {meta} }}]'):
        with pytest.raises(EvalError, match=reason) as caught:
            world(fields)
        assert caught.value.file == "<command line>"


@pytest.mark.parametrize("build", ["autotools", "cmake", "go", "make", "meson", "ruby", "rust"])
def test_build_systems_pass_meta_to_their_package(tmp_path: Path, cache: Path, build: str) -> None:
    def world(meta: str) -> World:
        return World(tmp_path, cache, f'packages = [{build} {{ name = "a", {meta} }}]', Everything())

    (told,) = world('meta = { licence = "MIT" }').get("described")
    assert told["meta"] == {"licence": "MIT"} and world("").get("described") == []


class Without(Everything):
    """Has every package but one."""

    def __init__(self, missing: str) -> None:
        super().__init__()
        self._missing = missing

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        if name == self._missing:
            raise NoPackage(f"{release} has no package {name}")
        return super().package(release, name, arch)


@pytest.mark.parametrize("runtime", ["", "debian.python3"])
def test_built_programs_may_load_wheels_and_verify_servers(tmp_path: Path, cache: Path, runtime: str) -> None:
    app = f'package {{ name = "app", runtime = [{runtime}] }}'
    w = World(tmp_path, cache, f'closure = "linked", packages = [{app}]', Everything())
    slices = {item["package"]: item for item in w.root.args["slices"]}
    assert not slices["ca-certificates"]["seed"] and w.root.args["certificates"] is True
    assert w.slices()["ca-certificates"].args["keep"] == ["/usr/share/ca-certificates"]
    assert ("libstdc++6" in slices) == bool(runtime)
    assert w.root.args["built"][0].get("foreign", []) == (["libgcc-s1", "libstdc++6"] if runtime else [])


@pytest.mark.parametrize(
    ("fields", "packages"),
    [
        ('closure = "linked", interpreted = false', Everything()),
        ('closure = "linked", data-packages = false', Everything()),
        ('closure = "depends"', Everything()),
        ('closure = "linked"', Without("ca-certificates")),
    ],
)
def test_images_that_choose_all_themselves_have_no_certificates(
    tmp_path: Path, cache: Path, fields: str, packages: Packages
) -> None:
    w = World(tmp_path, cache, f'packages = [package {{ name = "app" }}], {fields}', packages)
    assert "certificates" not in w.root.args and "ca-certificates" not in w.slices()


def test_a_linked_root_knows_the_files_of_its_container(tmp_path: Path, cache: Path) -> None:
    def root(fields: str) -> Derivation:
        return World(
            tmp_path, cache, f'packages = [debian.dash], files = {{ "/x" = "y" }}, {fields}', Everything()
        ).root

    assert "files" in root('closure = "linked"').args
    assert "files" not in root('closure = "linked", interpreted = false').args
    assert "files" not in root('closure = "depends"').args


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ('"app.py"', "./app.py"),
        ('"conf/site.conf"', "./conf/site.conf"),
        ('"../run.sh"', "../run.sh"),
        ('"hello\\n"', None),
        ('"print(1).py"', None),
        ('"example.org"', None),
        ('"/etc/other.conf"', None),
        ('{ text = "app.py" }', None),
    ],
)
def test_a_text_that_names_a_file_is_told(given: str, right: str | None, tmp_path: Path, cache: Path) -> None:
    told: list[str] = []
    evaluator = Evaluator(root=tmp_path, cache=cache, sources=Files(), messages=lambda kind, text: told.append(text))
    text = f'import("fpack/files").files {{ files = {{ "/x" = {given} }} }}'
    evaluator.force(evaluator.expression(text), deep=True)
    assert [line for line in told if line.endswith(f"for this, write {right}")] == told and bool(told) == bool(right)
