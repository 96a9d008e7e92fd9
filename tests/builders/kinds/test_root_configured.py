"""Roots with the changes of maintainer scripts: what is taken over, what is left out, and what gives way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.protocol import BuildError
from fpack.store.errors import StoreError
from fpack.store.path import StorePath
from support.archives.debs import file
from support.archives.debs import folder as directory
from support.images.small_images import Node, configured, folder, link, make_table, program
from support.stores.fake_roots import SCRIPTS, Made, Roots
from support.stores.task import FakeStore

USERS = [{"name": "app", "uid": 105, "gid": 107, "group": "app", "home": "/srv", "shell": "/bin/sh", "comment": "App"}]
GROUPS = [{"name": "app", "gid": 107, "members": []}, {"name": "staff", "gid": 50, "members": ["app"]}]


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    found = Roots(FakeStore(tmp_path / "root"))
    found.package("app", file("./etc/app.conf", "shipped"), file("./usr/bin/app", "x", 0o755), seed=True)
    return found


def build(roots: Roots, tree: Mapping[str, tuple[str, Node | bytes]], drop: tuple[str, ...] = (), **more: Any) -> Made:
    mode = more.pop("mode", "depends")
    path = configured(roots.store, tree, **more)
    return roots.build(mode, configured=str(path), configured_drop=list(drop))


def left_out(made: Made) -> list[str]:
    return [path.decode() for path in made.extra["configure"]["left_out"]]


def excluded(made: Made) -> list[list[Any]]:
    return [[package, path.decode(), reason, by] for package, path, reason, by in made.extra["excluded"]]


def test_without_scripts_nothing_changes(roots: Roots) -> None:
    made = roots.build()
    assert "configure" not in made.extra and "etc/shadow" not in made.entries
    assert (made.data / "etc/passwd").read_text().startswith("root:*:0:0:")


@pytest.mark.parametrize("mode", ["depends", "linked"])
def test_scripts_run_only_if_one_of_them_matters(roots: Roots, mode: str) -> None:
    made = configured(roots.store, {"etc/new": ("app", b"new")})
    idle = "#!/bin/sh\nset -e\nexit 0\n"
    roots.package("idle", seed=True, scripts={"postinst": idle})
    roots.package("bash", seed=True, scripts={"postinst": "touch /etc/shells\n"}, Essential="yes")
    without = roots.build(mode, scripts=made)
    assert without.needs == [] and "configure" not in without.extra
    assert without.path == roots.build(mode).path
    roots.package("active", seed=True, scripts={"postinst": f"{idle}touch /etc/new\n"})
    needed = roots.build(mode, scripts=made)
    assert needed.needs == [[SCRIPTS]] and needed.extra["configure"]["path"] == str(made)
    assert needed.path == roots.build(mode, configured=str(made)).path


def test_what_scripts_made_changed_and_removed(roots: Roots) -> None:
    roots.package("other", file("./etc/old", "old"), file("./etc/stays", "x"), seed=True)
    tree: dict[str, tuple[str, Node | bytes]] = {"etc/app.conf": ("app", b"changed"), "etc/new": ("app", b"new")}
    made = build(roots, tree, replaced=["etc/app.conf"], removed={"etc/old": "app"})
    assert excluded(made) == [
        ["app", "etc/app.conf", "configured", "app"],
        ["other", "etc/old", "removed", "app"],
    ]
    assert left_out(made) == []
    path = StorePath(*made.extra["configure"]["path"].rpartition("/")[2].split("-", 1))
    assert path in roots.store.references[made.path]
    # The root's own tree has only what fpack generates.
    assert "etc/new" not in made.entries


def test_what_does_not_belong_to_the_root_is_left_out(roots: Roots) -> None:
    made = build(
        roots,
        {
            "etc/absent.conf": ("app", b"a file of a package that is not in the root"),
            "etc/app/on": ("app", link("../../usr/share/doc/app/on")),
            "etc/empty": ("app", folder(0o700)),
            "etc/mine": ("app", b""),
            "etc/tool.conf": ("tool", b"made by a package that is not in the root"),
            "usr/share/doc/app/made": ("app", b""),
            "var/tool": ("tool", folder(0o700)),
            "var/tool/mine": ("app", b""),
        },
        ("/usr/share/doc",),
        replaced=["etc/absent.conf", "etc/empty"],
        removed={"etc/gone": "app", "etc/app.conf": "tool"},
    )
    assert left_out(made) == [
        "etc/absent.conf", "etc/app/on", "etc/empty", "etc/tool.conf", "usr/share/doc/app/made"
    ]  # fmt: skip
    assert excluded(made) == []


def test_a_rule_that_drops_a_file_drops_its_changed_form(roots: Roots) -> None:
    roots.drop = ["/etc/app.conf"]
    made = build(roots, {"etc/app.conf": ("app", b"changed")}, replaced=["etc/app.conf"])
    assert left_out(made) == ["etc/app.conf"] and excluded(made) == []


def test_the_numbers_of_accounts_are_those_that_scripts_saw(roots: Roots) -> None:
    roots.package("svc", file("./usr/lib/sysusers.d/svc.conf", "u app -\nu svc -\n"), seed=True)
    made = build(roots, {"etc/x": ("app", Node(b"", 0o640, 105, 107))}, users=USERS, groups=GROUPS)
    passwd = (made.data / "etc/passwd").read_text()
    assert "\napp:x:105:107:App:/srv:/bin/sh\n" in passwd and "\nsvc:x:900:900:" in passwd
    assert "staff:x:50:app\n" in (made.data / "etc/group").read_text()


def test_shadow_files_have_no_passwords_and_no_dates(roots: Roots) -> None:
    made = build(roots, {"etc/x": ("app", b"")}, users=USERS, groups=GROUPS)
    for name, line in (("shadow", "app:*::0:99999:7:::\n"), ("gshadow", "staff:*::app\n")):
        entry = made.entries[f"etc/{name}"]
        assert (entry.mode, entry.uid, entry.gid) == (0o640, 0, 42)
        assert line in (made.data / "etc" / name).read_text()


class TestSetId:
    TREE: Mapping[str, tuple[str, Node | bytes]] = {
        "usr/sbin/drop": ("app", Node(b"x", 0o755, 0, 107)),
        "usr/sbin/queue": ("app", Node(b"y", 0o755, 0, 107)),
        "usr/sbin/tool": ("tool", Node(b"z", 0o755)),
    }
    MODES: Sequence[tuple[str, int]] = [
        ("/usr/sbin/drop", 0o2755),
        ("/usr/sbin/queue", 0o2755),
        ("/usr/sbin/tool", 0o4755),
    ]

    def made(self, roots: Roots, *paths: str) -> Made:
        path = configured(roots.store, self.TREE, setuid=[list(pair) for pair in self.MODES])
        return roots.build(configured=str(path), setuid=list(paths))

    def test_bits_that_scripts_set_are_given_back_if_the_container_names_the_file(self, roots: Roots) -> None:
        found = self.made(roots, "/usr/sbin/drop").extra["configure"]
        assert found["setuid"] == [[b"usr/sbin/drop", 0o2755]]
        assert found["without_setuid"] == [[b"usr/sbin/queue", 0o2755]]

    @pytest.mark.parametrize("path", ["/usr/bin/app", "/usr/sbin/tool", "/usr/sbin/absent"])
    def test_a_file_without_them_is_an_error(self, roots: Roots, path: str) -> None:
        with pytest.raises(BuildError, match=f"{path} has no set-id bits to keep") as error:
            self.made(roots, path)
        assert error.value.why.endswith("/usr/sbin/drop, /usr/sbin/queue")
        with pytest.raises(BuildError, match="no set-id bits"):
            roots.build(setuid=[path])


class TestAlternatives:
    POSTINST = "update-alternatives --install /usr/bin/edit edit /usr/bin/app 10\n"

    @pytest.fixture
    def roots(self, roots: Roots) -> Roots:
        roots.package("editor", file("./usr/bin/real", "x", 0o755), seed=True, scripts={"postinst": self.POSTINST})
        return roots

    def test_the_scripts_link_is_taken(self, roots: Roots) -> None:
        made = build(
            roots,
            {
                "etc/alternatives/edit": ("editor", link("/usr/bin/real")),
                "usr/bin/edit": ("editor", link("/etc/alternatives/edit")),
            },
        )
        assert "usr/bin/edit" not in made.entries and left_out(made) == []

    def test_a_link_into_a_package_that_is_not_in_the_root_gives_way(self, roots: Roots) -> None:
        made = build(
            roots,
            {
                "etc/alternatives/edit": ("tool", link("/usr/bin/tool")),
                "usr/bin/edit": ("editor", link("/etc/alternatives/edit")),
            },
        )
        assert made.entries["usr/bin/edit"].target == "/usr/bin/app"
        assert left_out(made) == ["etc/alternatives/edit", "usr/bin/edit"]

    def test_the_users_choice_is_stronger(self, roots: Roots) -> None:
        path = configured(roots.store, {"usr/bin/edit": ("editor", link("/usr/bin/real"))})
        made = roots.build(configured=str(path), alternatives={"/usr/bin/edit": "/usr/bin/app"})
        assert made.entries["usr/bin/edit"].target == "/usr/bin/app" and left_out(made) == ["usr/bin/edit"]


class TestDirectories:
    @pytest.fixture
    def roots(self, roots: Roots) -> Roots:
        roots.package("data", directory("./var/lib/data", 0o755), file("./var/lib/data/a", "a"), seed=True)
        return roots

    def test_a_generated_file_keeps_the_mode_that_a_script_set(self, roots: Roots) -> None:
        roots.package("etc", directory("./etc", 0o750), seed=True)
        made = build(roots, {"etc": ("app", folder(0o711))}, replaced=["etc"])
        assert made.entries["etc"].mode == 0o711

    def test_a_generated_directory_with_a_file_of_a_script_keeps_its_mode(self, roots: Roots) -> None:
        made = build(roots, {"root/.profile": ("app", b"")})
        assert made.entries["root"].mode == 0o700

    def test_a_link_replaces_a_directory(self, roots: Roots) -> None:
        tree: dict[str, tuple[str, Node | bytes]] = {"var/lib/data": ("app", link("/srv/data"))}
        made = build(roots, tree, replaced=["var/lib/data"], removed={"var/lib/data/a": "app"})
        assert excluded(made) == [["data", "var/lib/data/a", "removed", "app"]]

    def test_a_directory_replaces_a_file(self, roots: Roots) -> None:
        made = build(
            roots, {"etc/app.conf": ("app", folder()), "etc/app.conf/x": ("app", b"")}, replaced=["etc/app.conf"]
        )
        assert excluded(made) == [["app", "etc/app.conf", "configured", "app"]]

    def test_an_empty_directory_is_removed_and_a_full_one_is_not(self, roots: Roots) -> None:
        roots.package("empty", directory("./var/lib/none", 0o700), seed=True)
        made = build(roots, {}, removed={"var/lib/none": "app", "var/lib/data": "app"})
        assert excluded(made) == [["empty", "var/lib/none", "removed", "app"]]


def test_a_path_that_two_packages_have_is_excluded_from_both(roots: Roots) -> None:
    roots.package("twin", file("./etc/app.conf", "shipped"), seed=True)
    made = build(roots, {"etc/app.conf": ("app", b"changed")}, replaced=["etc/app.conf"])
    assert excluded(made) == [
        ["app", "etc/app.conf", "configured", "app"],
        ["twin", "etc/app.conf", "configured", "app"],
    ]


def test_what_a_script_made_counts_when_linking(roots: Roots) -> None:
    roots.package("perl", file("./usr/bin/perl", "x", 0o755))
    roots.package("lua", file("./usr/bin/lua", "x", 0o755))
    made = build(
        roots,
        {
            "usr/bin/made": ("app", program(b"#!/usr/bin/perl\n")),
            "usr/bin/further": ("perl", program(b"#!/usr/bin/lua\n")),
            "usr/bin/tool": ("tool", program(b"#!/usr/bin/tool\n")),
        },
        mode="linked",
    )
    assert set(made.reasons()) == {"app", "perl", "lua"} and left_out(made) == ["usr/bin/tool"]


@pytest.mark.parametrize(
    "extra", [{}, {"configured": []}, {"configured": [[b"etc/x", "app", "postinst", ""]], "replaced": [1]}]
)
def test_an_output_of_another_form_is_refused(roots: Roots, extra: dict[str, Any]) -> None:
    path = make_table(roots.store, "other", {"etc/x": b""}, extra)
    with pytest.raises(StoreError, match="malformed"):
        roots.build(configured=str(path))
