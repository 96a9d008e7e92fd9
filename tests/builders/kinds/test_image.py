"""Images: what goes into which layer, what a container then sees, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.image import ImageBuilder
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError, Built, Need
from fpack.store import canonical
from fpack.store.derivation import Derivation, digest
from fpack.store.errors import StoreError
from fpack.store.path import StorePath, parse
from support.images.small_images import PASSWD, Node, Workshop, folder, link, program, walk
from support.stores.task import FakeTask

BASE = {"etc/os-release": b"ID=debian\n"}
APP = {"usr/bin/app": program(), "usr/bin/app-tool": program(), "usr/lib/app.so": b"lib"}


@pytest.fixture
def root(shop: Workshop) -> StorePath:
    return shop.root({"base-files": BASE, "app": APP})


def config(shop: Workshop, image: StorePath) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shop.disk(image) / "config").read_bytes())
    return found


def record(shop: Workshop, image: StorePath) -> dict[str, Any]:
    found: dict[str, Any] = canonical.decode((shop.disk(image) / "image").read_bytes())
    return found


def seen(shop: Workshop, image: StorePath, tmp_path: Path) -> dict[str, tuple[Any, bytes]]:
    """Return the files that a container sees: the layers over one another, as a runtime lays them."""
    shop.layout(image, tmp_path / "layout")
    merged: dict[str, tuple[Any, bytes]] = {}
    for layer in walk(tmp_path / "layout")["layers"]:
        for path, entry in layer.items():
            if path in merged and merged[path][0].isdir() != entry[0].isdir():
                merged = {p: e for p, e in merged.items() if not p.startswith(f"{path}/")}
            merged[path] = entry
    return merged


class TestLayers:
    def test_one_a_slice_and_store_path_and_the_rest_last(self, shop: Workshop, root: StorePath) -> None:
        tool = shop.plain("tool-1", {"bin/tool": program()})
        image = shop.image(root, files=shop.files({"path": "/srv/x", "text": "x"}), paths=[tool])
        found = record(shop, image)
        assert [layer["packages"] for layer in found["layers"]] == [["base-files"], ["app"], [], [], []]
        parts = [layer["parts"] for layer in found["layers"]]
        assert parts[2] == [[str(tool), str(tool)]]
        assert parts[3] == [[str(root), ""]]
        assert parts[4] == [[found["files"], ""]]

    def test_they_are_asked_for_all_at_once(self, shop: Workshop, root: StorePath) -> None:
        shop.image(root)
        (task,) = [t for t in shop.store.tasks if t.name == "image"]
        assert [len(need) for need in task.needs] == [3]

    def test_those_of_slices_are_foreseen(self, shop: Workshop, root: StorePath) -> None:
        found = record(shop, shop.image(root))
        drv = Derivation("image", "image", next(t for t in reversed(shop.store.tasks) if t.name == "image").args)
        slices = [parse(layer["parts"][0][0]) for layer in found["layers"]][:2]
        foreseen = ImageBuilder().foresee(drv, slices)
        assert [digest(one.encode()) for one in foreseen] == [layer["derivation"] for layer in found["layers"][:2]]
        assert not ImageBuilder().foresee(drv._replace(args={**drv.args, "max_layers": 6}), slices)

    def test_a_slices_layer_does_not_depend_on_the_image(self, shop: Workshop) -> None:
        shared = {"tmp/x": b"", "usr/share/s": b""}
        one = record(shop, shop.image(shop.root({"shared": shared, "app": APP})))
        two = record(shop, shop.image(shop.root({"shared": shared, "other": {"tmp": folder(0o700)}}), name="two"))
        assert one["layers"][0]["path"] == two["layers"][0]["path"]

    def test_more_than_there_is_room_for_are_grouped(self, shop: Workshop) -> None:
        many = {f"p{i}": {f"usr/share/p{i}": b"x" * i} for i in range(20)}
        image = shop.image(shop.root(many), max_layers=6)
        found = record(shop, image)
        assert len(found["layers"]) <= 6
        assert sorted(p for layer in found["layers"] for p in layer["packages"]) == sorted(many)

    @pytest.mark.parametrize("limit", [0, 2, 121, None, "9"])
    def test_the_limit_has_limits(self, shop: Workshop, root: StorePath, limit: Any) -> None:
        with pytest.raises(BuildError, match="layers"):
            shop.image(root, max_layers=limit)

    def test_files_that_another_package_replaces_are_in_no_layer(self, shop: Workshop, tmp_path: Path) -> None:
        slices = {"old": {"usr/bin/x": program(b"old"), "usr/bin/y": program()}, "new": {"usr/bin/x": program(b"new")}}
        image = shop.image(shop.root(slices, excluded=[["old", b"usr/bin/x", "replaced", "new"]]))
        shop.layout(image, tmp_path / "layout")
        layers = walk(tmp_path / "layout")["layers"]
        assert "usr/bin/x" not in layers[0] and "usr/bin/y" in layers[0]

    def test_references_are_the_layers_the_root_and_the_files(self, shop: Workshop, root: StorePath) -> None:
        image = shop.image(root, files=shop.files({"path": "/x"}))
        found = record(shop, image)
        task = next(t for t in reversed(shop.store.tasks) if t.name == "image")
        steps = ImageBuilder().build(FakeTask(shop.store, "image", task.args))
        next(steps)
        paths = [layer["path"] for layer in found["layers"]]
        with pytest.raises(StopIteration) as stop:
            steps.send([parse(p) for p in paths])
        built = stop.value.value
        assert isinstance(built, Built)
        assert {str(r) for r in built.references} == {*paths, found["root"], found["files"]}


class TestIdentity:
    def test_the_image_id_does_not_depend_on_the_codec(self, shop: Workshop, root: StorePath) -> None:
        found = [record(shop, shop.image(root, compress=c)) for c in ("zstd:3", "gzip", "none")]
        assert len({f["image_id"] for f in found}) == 1
        assert len({f["digest"] for f in found}) == 3

    def test_the_same_image_anywhere(self, tmp_path: Path) -> None:
        made = []
        for place in ("one", "other/place"):
            shop = Workshop(tmp_path / place)
            made.append(shop.image(shop.root({"base-files": BASE, "app": APP}), {"env": {"A": "b"}}, program="app"))
        assert made[0] == made[1]

    def test_the_configuration_counts(self, shop: Workshop, root: StorePath) -> None:
        one, two = (record(shop, shop.image(root, {"labels": {"a": v}})) for v in "12")
        assert one["image_id"] != two["image_id"]
        assert [x["digest"] for x in one["layers"]] == [x["digest"] for x in two["layers"]]

    def test_architectures(self, shop: Workshop, root: StorePath) -> None:
        found = config(shop, shop.image(root, arch="arm64"))
        assert (found["os"], found["architecture"], found["variant"]) == ("linux", "arm64", "v8")

    def test_a_history_of_one_line_a_layer(self, shop: Workshop) -> None:
        many = {f"p{i}": {f"usr/share/p{i}": b""} for i in range(30)}
        found = config(shop, shop.image(shop.root(many), max_layers=3))
        assert len(found["history"]) == len(found["rootfs"]["diff_ids"])
        assert found["history"][0]["created_by"].startswith("fpack: p")
        assert {h["created"] for h in found["history"]} == {found["created"]}


class TestEntrypoint:
    def entrypoint(self, shop: Workshop, root: StorePath, **args: Any) -> Any:
        return config(shop, shop.image(root, **args))["config"].get("Entrypoint")

    def test_the_packages_own(self, shop: Workshop, root: StorePath) -> None:
        assert self.entrypoint(shop, root, program="app") == ["/usr/bin/app"]

    def test_one_that_is_given_wins(self, shop: Workshop, root: StorePath) -> None:
        given = {"entrypoint": ["/usr/bin/app-tool", "-x"]}
        assert self.entrypoint(shop, root, config=given, program="app") == ["/usr/bin/app-tool", "-x"]

    def test_a_game(self, shop: Workshop) -> None:
        root = shop.root({"nethack": {"usr/games/nethack": program()}})
        assert self.entrypoint(shop, root, program="nethack") == ["/usr/games/nethack"]

    def test_a_package_that_only_depends_on_others_stands_for_them(self, shop: Workshop) -> None:
        root = shop.root(
            {"redis": {"usr/share/doc/redis/copyright": b""}, "redis-server": {"usr/bin/redis-server": program()}}
        )
        place = shop.disk(root)
        _, extra = meta.read(place)
        for each in extra["slices"]:
            each["by"] = "redis" if each["package"] == "redis-server" else None
        root = shop.table("root2", {"etc/passwd": PASSWD.encode()}, extra)
        assert self.entrypoint(shop, root, program="redis") == ["/usr/bin/redis-server"]

    def test_a_package_does_not_stand_for_a_helper_of_maintainer_scripts(self, shop: Workshop) -> None:
        files = {
            "server": {"usr/share/doc/server/copyright": b""},
            "debconf": {"usr/bin/debconf": program()},
            "server-17": {"usr/lib/server/17/bin/server": program()},
            "dash": {"usr/bin/sh": program()},
        }
        _, extra = meta.read(shop.disk(shop.root(files)))
        for each in extra["slices"]:
            each["by"] = "server" if each["package"] in ("debconf", "server-17") else None
        image = shop.image(shop.table("root2", {"etc/passwd": PASSWD.encode()}, extra), program="server")
        assert config(shop, image)["config"]["Cmd"] == ["/usr/bin/sh"]

    def test_a_package_does_not_stand_for_a_script_that_cannot_run(self, shop: Workshop) -> None:
        files = {
            "data": {"usr/share/doc/data/copyright": b""},
            "tool": {"usr/bin/tool": program(b"#!/usr/bin/perl\n")},
            "dash": {"usr/bin/sh": program()},
        }
        _, extra = meta.read(shop.disk(shop.root(files)))
        for each in extra["slices"]:
            each["by"] = "data" if each["package"] == "tool" else None
        image = shop.image(shop.table("root2", {"etc/passwd": PASSWD.encode()}, extra), program="data")
        assert config(shop, image)["config"]["Cmd"] == ["/usr/bin/sh"]
        (note,) = record(shop, image)["notes"]
        why = "data has no program in /usr/bin, /usr/sbin or /usr/games"
        assert note == f"no entrypoint, because {why}; the command is /usr/bin/sh"

    def test_without_a_main_program_the_command_is_a_shell_and_a_note_says_why(self, shop: Workshop) -> None:
        root = shop.root(
            {"tools": {"usr/bin/one": program(), "usr/sbin/two": program()}, "bash": {"usr/bin/bash": program()}}
        )
        image = shop.image(root, program="tools")
        assert config(shop, image)["config"]["Cmd"] == ["/usr/bin/bash"]
        assert "Entrypoint" not in config(shop, image)["config"]
        (note,) = record(shop, image)["notes"]
        assert note == "no entrypoint, because tools has /usr/bin/one, /usr/sbin/two; the command is /usr/bin/bash"

    def test_an_image_with_neither_a_program_nor_a_shell(self, shop: Workshop, root: StorePath) -> None:
        image = shop.image(root, program="base-files")
        assert not {"Entrypoint", "Cmd"} & config(shop, image)["config"].keys()
        assert record(shop, image)["notes"] == [
            "no entrypoint, because base-files has no program in /usr/bin, /usr/sbin or /usr/games"
        ]

    def test_a_server_is_configured_by_its_unit_unless_the_container_says_otherwise(self, shop: Workshop) -> None:
        root = shop.root({"served": {"usr/sbin/served": program(), "var/lib/served/x": b"x"}})
        _, extra = meta.read(shop.disk(root))
        extra["service"] = {
            "package": "served", "entrypoint": ["/usr/sbin/served", "-f"], "user": "33", "env": {"A": "1", "B": "2"},
            "workdir": "/var/lib/served", "ports": [53, "53/udp"], "volumes": ["/var/lib/served"], "signal": "SIGINT",
        }  # fmt: skip
        root = shop.table("root2", {"etc/passwd": PASSWD.encode()}, extra)
        found = config(shop, shop.image(root, program="served"))["config"]
        assert found["Entrypoint"] == ["/usr/sbin/served", "-f"] and found["User"] == "33:0"
        assert {"A=1", "B=2"} <= set(found["Env"]) and found["WorkingDir"] == "/var/lib/served"
        assert set(found["ExposedPorts"]) == {"53/tcp", "53/udp"} and set(found["Volumes"]) == {"/var/lib/served"}
        assert found["StopSignal"] == "SIGINT"
        given = {"user": "0", "ports": [54], "env": {"A": "3"}, "stop_signal": "SIGTERM"}
        found = config(shop, shop.image(root, program="served", config=given))["config"]
        assert (found["User"], set(found["ExposedPorts"]), found["StopSignal"]) == ("0:0", {"54/tcp"}, "SIGTERM")
        assert {"A=3", "B=2"} <= set(found["Env"])
        found = config(shop, shop.image(root, program="served", config={"entrypoint": ["/usr/sbin/served"]}))["config"]
        assert not {"User", "ExposedPorts", "Volumes"} & found.keys()

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"bin/tool": program(), "bin/other": program()}, "bin/tool"),
            ({"sbin/tool": program(), "bin/other": program()}, "sbin/tool"),
            ({"bin/other": link("../libexec/run"), "libexec/run": program(), "bin/data": b""}, "bin/other"),
            ({"bin/one": program(), "bin/two": program()}, None),
            ({"lib/tool.so": program(), "bin": b"no directory"}, None),
        ],
    )
    def test_the_program_of_what_is_built(
        self, shop: Workshop, root: StorePath, files: dict[str, Node | bytes], found: str | None
    ) -> None:
        tool = shop.plain("tool-1", files)
        chosen = self.entrypoint(shop, root, program=[str(tool), "tool"], paths=[tool])
        assert chosen == ([f"{tool}/{found}"] if found else None)

    def test_neither_program_nor_entrypoint(self, shop: Workshop, root: StorePath) -> None:
        assert self.entrypoint(shop, root) is None

    def test_through_symlinks(self, shop: Workshop) -> None:
        tree = {"usr/bin/app": link("../lib/app/run"), "usr/lib/app": link("/opt/app"), "opt/app/run": program()}
        assert self.entrypoint(shop, shop.root({"app": tree}), program="app") == ["/usr/bin/app"]

    def test_in_a_store_path(self, shop: Workshop, root: StorePath) -> None:
        tool = shop.plain("tool-1", {"bin/tool": link("real"), "bin/real": program(), "bin/data": b""})
        run = [f"{tool}/bin/tool"]
        assert self.entrypoint(shop, root, config={"entrypoint": run}, paths=[tool]) == run
        for wrong in (f"{tool}/bin/none", f"{tool}/bin/data", str(tool)):
            with pytest.raises(BuildError):
                shop.image(root, {"entrypoint": [wrong]}, paths=[tool])
        with pytest.raises(BuildError, match="no program"):
            shop.image(root, {"entrypoint": run})

    def test_what_is_built_and_has_another_program_says_which(self, shop: Workshop, root: StorePath) -> None:
        tool = shop.plain("tool-1", {"bin/hello": program(), "bin/bye": program(), "bin/data": b""})
        with pytest.raises(BuildError, match="no program") as error:
            shop.image(root, {"entrypoint": [f"{tool}/bin/tool"]}, paths=[tool])
        assert error.value.why == "tool-1 has bin/bye, bin/hello" and "/bin/bye" in error.value.hint
        data = shop.plain("data-1", {"share/data": b""})
        with pytest.raises(BuildError, match="no program") as error:
            shop.image(root, {"entrypoint": [f"{data}/bin/tool"]}, paths=[data])
        assert error.value.why == "data-1 has no program in bin or sbin"

    def test_a_command_alone_is_the_program(self, shop: Workshop, root: StorePath) -> None:
        with pytest.raises(BuildError, match="no program --help") as error:
            shop.image(root, {"command": ["--help"]})
        assert "first item of `command` is the program" in error.value.hint

    @pytest.mark.parametrize(
        ("run", "message"),
        [
            ("/usr/bin/ap", "did you mean /usr/bin/app"),
            ("/usr/bin/apnosuch", "add the package"),
            ("/usr/lib/app.so", "a file of mode 0644"),
            ("/usr/bin", "a directory"),
            ("/usr/bin/loop", "no program"),
            ("/usr/bin/../../../nowhere", "no program"),
            ("nginx", "no directory of its PATH has it: /usr"),
            ("", "empty string"),
        ],
    )
    def test_a_program_that_is_not_there(self, shop: Workshop, run: str, message: str) -> None:
        root = shop.root({"app": {**APP, "usr/bin/loop": link("loop")}})
        for field in ("entrypoint", "command"):
            with pytest.raises(BuildError) as error:
                shop.image(root, {field: [run]})
            assert message in f"{error.value} {error.value.hint}"

    def test_a_name_is_looked_for_in_the_path(self, shop: Workshop, root: StorePath) -> None:
        assert self.entrypoint(shop, root, config={"entrypoint": ["app"]}) == ["app"]
        with pytest.raises(BuildError):
            shop.image(root, {"entrypoint": ["app"], "env": {"PATH": "/opt/bin"}})

    def test_what_a_program_needs_to_be_relative_to_is_not_known(self, shop: Workshop, root: StorePath) -> None:
        assert self.entrypoint(shop, root, config={"entrypoint": ["./run"]}) == ["./run"]


class TestUsers:
    def user(self, shop: Workshop, root: StorePath, name: str, **args: Any) -> Any:
        return config(shop, shop.image(root, {"user": name}, **args))["config"]["User"]

    def test_a_name_of_the_roots_passwd(self, shop: Workshop, root: StorePath) -> None:
        assert self.user(shop, root, "app") == "999:998"

    def test_a_name_that_the_root_assigned(self, shop: Workshop) -> None:
        users = [{"name": "redis", "uid": 900, "gid": 901}]
        assert self.user(shop, shop.root({"app": APP}, users=users), "redis") == "900:901"

    def test_a_passwd_among_the_files_counts(self, shop: Workshop, root: StorePath) -> None:
        files = shop.files({"path": "/etc/passwd", "text": "me:x:5:6::/:/bin/sh\n"})
        assert self.user(shop, root, "me", files=files) == "5:6"

    def test_an_unknown_one(self, shop: Workshop, root: StorePath) -> None:
        with pytest.raises(BuildError, match="no user 'ap'") as error:
            shop.image(root, {"user": "ap"})
        assert error.value.hint == "did you mean `app`?"

    @pytest.mark.parametrize(("user", "shown"), [("", "''"), (5, "5"), (["app"], "a list"), (True, "true")])
    def test_no_user_at_all(self, shop: Workshop, root: StorePath, user: Any, shown: str) -> None:
        with pytest.raises(BuildError, match=f"{shown} is not a user"):
            shop.image(root, {"user": user})


class TestFileSystem:
    def test_extra_files_win_over_slices(self, shop: Workshop, root: StorePath, tmp_path: Path) -> None:
        files = shop.files({"path": "/etc/os-release", "text": "ID=mine\n", "mode": 0o600})
        found = seen(shop, shop.image(root, files=files), tmp_path)
        assert found["etc/os-release"][1] == b"ID=mine\n"

    def test_what_extra_files_replace_is_in_no_other_layer(self, shop: Workshop, tmp_path: Path) -> None:
        """Of a slice, of what is generated, and where slices share a layer; and it is noted why."""
        slices = {
            "app": {"etc/a": b"a", "etc/b": b"b", "etc/l": link("a"), "usr/bin/app": program()},
            **{f"p{i}": {f"etc/p{i}": b"", f"usr/share/p{i}": b""} for i in range(9)},
        }
        root = shop.root(slices, {"etc/passwd": PASSWD.encode(), "etc/group": b"", "bin": link("usr/bin")})
        own = [
            {"path": "/etc/a", "text": "mine"},
            {"path": "/etc/b", "text": "b", "mode": 0o600},
            {"path": "/etc/l", "text": "no link"},
            {"path": "/etc/p3", "text": "mine"},
            {"path": "/etc/passwd", "text": "me:x:0:0::/:/bin/sh\n"},
            {"path": "/bin", "kind": "symlink", "target": "/usr/bin"},
        ]
        image = shop.image(root, files=shop.files(*own), max_layers=5)
        noted = {
            path.decode(): (parts[part][0].partition("-")[2], reason, by)
            for layer in record(shop, image)["layers"]
            for parts in [layer["parts"]]
            for part, path, reason, by in layer["excluded"]
        }
        assert noted == {
            "etc/a": ("app-1.0", "files", ""),
            "etc/b": ("app-1.0", "mode", ""),
            "etc/l": ("app-1.0", "files", ""),
            "etc/p3": ("p3-1.0", "files", ""),
            "etc/passwd": ("root", "files", ""),
            "bin": ("root", "files", ""),
        }
        shop.layout(image, tmp_path / "layout")
        stand: dict[str, int] = {}
        for layer in walk(tmp_path / "layout")["layers"]:
            for path, (info, _) in layer.items():
                stand[path] = stand.get(path, 0) + (not info.isdir())
        assert set(stand.values()) == {0, 1}
        assert seen(shop, image, tmp_path)["etc/b"][0].mode == 0o600

    def test_only_the_layers_of_what_is_replaced_are_the_images_own(self, shop: Workshop, root: StorePath) -> None:
        plain = record(shop, shop.image(root))
        files = shop.files({"path": "/etc/os-release", "text": "ID=mine\n"}, {"path": "/srv/x"})
        changed = record(shop, shop.image(root, files=files, name="two"))
        shared = [a["path"] == b["path"] for a, b in zip(plain["layers"], changed["layers"], strict=False)]
        assert shared == [False, True, True]

    def test_a_root_in_which_two_slices_have_one_file_is_refused(self, shop: Workshop) -> None:
        """What `compose` would have settled: a project can have a root of its own making."""
        for two in (b"same", b"other", link("x")):
            with pytest.raises(BuildError, match="/etc/f is a file in the package one and"):
                shop.image(shop.root({"one": {"etc/f": b"same"}, "two": {"etc/f": two}}))
        with pytest.raises(BuildError, match="lies below a symlink"):
            shop.image(shop.root({"one": {"srv": link("etc")}, "two": {"srv/f": b""}}))
        with pytest.raises(BuildError, match="is a directory in the package one"):
            shop.image(shop.root({"one": {"srv/f": b""}, "two": {"srv": link("etc")}}))

    @pytest.mark.parametrize("tree", [{"fpack/store/x": b""}, {"fpack": link("srv")}, {"fpack/store": link("/")}])
    def test_only_store_paths_lie_in_the_store(self, shop: Workshop, tree: dict[str, Any]) -> None:
        tool = shop.plain("tool-1", {"bin/tool": program()})
        for root in (shop.root({"evil": tree}), shop.root({"app": APP}, tree)):
            with pytest.raises(BuildError, match="lies in the store"):
                shop.image(root, paths=[tool])

    @pytest.mark.parametrize("excluded", [None, 7, [7], [["app", "x"]], [["app", 7, "files", ""]]])
    def test_a_root_that_does_not_say_what_it_leaves_out_is_refused(self, shop: Workshop, excluded: Any) -> None:
        with pytest.raises(StoreError, match="root's output is malformed"):
            shop.image(shop.root({"app": APP}, excluded=excluded))

    def test_directories_keep_their_modes_where_extra_files_go(self, shop: Workshop, tmp_path: Path) -> None:
        slices = {"app": {"var/lib/app": folder(0o700, 999, 998), "usr/bin/app": program()}}
        root = shop.root(slices, {"tmp": folder(0o1777), "root": folder(0o700)})
        files = shop.files({"path": "/tmp/x"}, {"path": "/root/.rc"}, {"path": "/var/lib/app/conf/x"})
        found = seen(shop, shop.image(root, files=files), tmp_path)
        shown = {
            p: (oct(found[p][0].mode), found[p][0].uid) for p in ("tmp", "root", "var/lib/app", "var/lib/app/conf")
        }
        assert shown == {
            "tmp": ("0o1777", 0),
            "root": ("0o700", 0),
            "var/lib/app": ("0o700", 999),
            "var/lib/app/conf": ("0o755", 0),
        }

    def test_extra_files_can_change_a_directory(self, shop: Workshop, root: StorePath, tmp_path: Path) -> None:
        files = shop.files({"path": "/tmp", "kind": "directory", "mode": 0o700, "uid": 5})
        found = seen(shop, shop.image(root, files=files), tmp_path)
        assert (oct(found["tmp"][0].mode), found["tmp"][0].uid) == ("0o700", 5)

    def test_grouped_slices_that_differ_on_a_directory(self, shop: Workshop, tmp_path: Path) -> None:
        slices = {f"p{i}": {f"srv/{i}": b"", "srv": folder(0o755 if i % 2 else 0o2775, 0, 0)} for i in range(9)}
        image = shop.image(shop.root(slices, {"srv": folder(0o2775)}), max_layers=3)
        found = seen(shop, image, tmp_path)
        assert oct(found["srv"][0].mode) == "0o2775" and all(f"srv/{i}" in found for i in range(9))

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"path": "/usr/bin", "text": ""}, "/usr/bin is a directory in the package app and a file in the conf"),
            ({"path": "/usr/bin/app/x", "text": ""}, "lies below a file"),
            ({"path": "/usr/bin/app", "kind": "directory"}, "is a file in the package app and a directory"),
            ({"path": "/bin/tool", "text": ""}, "write /usr/bin/tool"),
            ({"path": "/bin", "kind": "directory"}, "the target of the symlink, usr/bin"),
            ({"path": "/var/run/x/y", "text": ""}, "write /run/x/y"),
            ({"path": "/fpack/store/x", "text": ""}, "lies in the store"),
            ({"path": "/fpack/store", "kind": "directory"}, "lies in the store"),
        ],
    )
    def test_what_would_break_the_root_is_refused(self, shop: Workshop, entry: dict[str, Any], message: str) -> None:
        root = shop.root({"app": APP}, {"bin": link("usr/bin"), "var/run": link("../run"), "run": folder()})
        with pytest.raises(BuildError) as error:
            shop.image(root, files=shop.files(entry))
        assert message in f"{error.value} {error.value.hint}"

    @pytest.mark.parametrize("field", ["volumes", "workdir"])
    def test_a_volume_on_a_file(self, shop: Workshop, root: StorePath, field: str) -> None:
        value = "/usr/bin/app"
        with pytest.raises(BuildError, match="is not a directory"):
            shop.image(root, {field: [value] if field == "volumes" else value})

    def test_no_root_at_all(self, shop: Workshop, tmp_path: Path) -> None:
        tool = shop.plain("tool-1", {"bin/tool": program(b"tool")})
        image = shop.image(None, {"entrypoint": [f"{tool}/bin/tool"]}, paths=[tool])
        found = seen(shop, image, tmp_path)
        assert found[f"{str(tool)[1:]}/bin/tool"][1] == b"tool"

    def test_set_id_bits_are_those_of_the_table(self, shop: Workshop, tmp_path: Path) -> None:
        root = shop.root({"su": {"usr/bin/su": Node(b"su", 0o4755), "usr/bin/x": Node(b"x", 0o755)}})
        found = seen(shop, shop.image(root), tmp_path)
        assert [oct(found[f"usr/bin/{n}"][0].mode) for n in ("su", "x")] == ["0o4755", "0o755"]


def test_nothing_is_no_image(shop: Workshop) -> None:
    with pytest.raises(BuildError, match="would be empty"):
        shop.image(None)


def test_bad_names_fail_before_anything_is_made(shop: Workshop, root: StorePath) -> None:
    args = {"name": "No", "tag": "x", "root": str(root), "files": None, "paths": [], "program": None, "arch": "amd64"}
    task = FakeTask(shop.store, "image", {**args, "max_layers": 50, "config": {}, "codec": {}})
    with pytest.raises(BuildError, match="'No' cannot be the name"):
        next(ImageBuilder().build(task))


def test_a_layer_is_a_resolved_derivation(shop: Workshop, root: StorePath) -> None:
    shop.image(root)
    args = next(t for t in shop.store.tasks if t.name == "image").args
    need = next(ImageBuilder().build(FakeTask(shop.store, "image", args)))
    assert isinstance(need, Need)
    for wanted in need.wanted:
        assert isinstance(wanted, Derivation) and wanted.kind == "layer" and not wanted.inputs
        wanted.encode()


def test_a_group_by_name(shop: Workshop, root: StorePath) -> None:
    assert config(shop, shop.image(root, {"user": "app:staff"}))["config"]["User"] == "999:50"
