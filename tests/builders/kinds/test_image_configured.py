"""Images with the changes of maintainer scripts: their layer, what gives way to them, what a manifest says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.layer import ENTRIES
from fpack.store import canonical
from fpack.store.errors import StoreError
from fpack.store.path import StorePath
from support.images.small_images import GROUP, PASSWD, POSTINST, Node, Workshop, configured, folder, link, program, walk

APP = {"etc/app.conf": b"shipped", "etc/old": b"old", "usr/bin/app": program(), "var/lib/app": folder(0o700)}
GENERATED = {"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode()}


def root(
    shop: Workshop,
    tree: Mapping[str, tuple[str, Node | bytes]],
    excluded: Mapping[str, str] = {},
    left_out: tuple[str, ...] = (),
    set_id: Mapping[str, Any] | None = None,
    **more: Any,
) -> StorePath:
    """Return a root of `app` with a configured tree. excluded: reasons by path of `app`."""
    path = configured(shop.store, tree)
    configure = {"path": str(path), "left_out": [name.encode() for name in left_out], **(set_id or {})}
    rows = [["app", name.encode(), reason, "app"] for name, reason in excluded.items()]
    return shop.root({"base-files": {"etc/x": b""}, "app": APP}, GENERATED, excluded=rows, configure=configure, **more)


def record(shop: Workshop, image: StorePath) -> dict[str, Any]:
    found: dict[str, Any] = canonical.decode((shop.disk(image) / "image").read_bytes())
    return found


def layers(shop: Workshop, image: StorePath, tmp_path: Path) -> list[dict[str, Any]]:
    shop.layout(image, tmp_path / "layout")
    found: list[dict[str, Any]] = walk(tmp_path / "layout")["layers"]
    return found


TREE: dict[str, tuple[str, Node | bytes]] = {
    "etc/app.conf": ("app", b"changed"),
    "etc/app/on": ("app", link("../app.conf")),
    "etc/tool.conf": ("tool", b"not of the root"),
    "var/lib/app": ("app", folder(0o2750, 33, 33)),
}
EXCLUDED = {"etc/app.conf": "configured", "etc/old": "removed"}


def test_they_are_a_layer_of_their_own_before_the_generated_files(shop: Workshop, tmp_path: Path) -> None:
    image = shop.image(root(shop, TREE, EXCLUDED, ("etc/tool.conf",)))
    found = record(shop, image)["layers"]
    assert [layer["packages"] for layer in found] == [["base-files"], ["app"], [], []]
    assert found[2]["parts"][0][0].endswith("-app-configured")
    assert [layer["configured"] for layer in found] == [0, 0, 2, 0]
    assert [row[1:] for row in found[1]["excluded"]] == [
        [b"etc/app.conf", "configured", "app"],
        [b"etc/old", "removed", "app"],
    ]
    _, app, scripts, _ = layers(shop, image, tmp_path)
    assert set(app) == {".", "usr", "usr/bin", "usr/bin/app", "var", "var/lib", "var/lib/app"}
    assert set(scripts) == {".", "etc", "etc/app", "etc/app.conf", "etc/app/on", "var", "var/lib", "var/lib/app"}
    assert scripts["etc/app.conf"][1] == b"changed"
    directory = scripts["var/lib/app"][0]
    assert (directory.mode, directory.uid, directory.gid) == (0o2750, 33, 33)


def test_the_history_and_the_layers_name_the_packages(shop: Workshop) -> None:
    image = shop.image(root(shop, TREE, EXCLUDED, ("etc/tool.conf",)))
    (steps,) = [t.needs for t in shop.store.tasks if t.name == "image"]
    assert any("app-configured" in wanted.name for wanted in steps[0])  # type: ignore[union-attr]
    assert record(shop, image)["layers"][2]["excluded"] == []


def test_each_entry_has_its_package_script_and_digest(shop: Workshop) -> None:
    image = shop.image(root(shop, TREE, EXCLUDED, ("etc/tool.conf",)))
    path = record(shop, image)["layers"][2]["path"]
    data = (shop.disk(path) / ENTRIES).read_bytes()
    rows = {row[0]: row[10] for row in _values(data)}
    origin = ["configured", "app", "postinst", bytes.fromhex(POSTINST)]
    assert rows[b"etc/app.conf"] == rows[b"etc/app/on"] == rows[b"var/lib/app"] == origin
    assert rows[b"etc"] is None


def _values(data: bytes) -> list[Any]:
    import msgpack

    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(data)
    return list(unpacker)


def test_set_id_bits_are_given_back_to_named_files(shop: Workshop, tmp_path: Path) -> None:
    tree = {name: ("app", Node(b"x", 0o755, 0, 33)) for name in ("usr/bin/drop", "usr/bin/queue")}
    rows = {"setuid": [[b"usr/bin/drop", 0o2755]], "without_setuid": [[b"usr/bin/queue", 0o2755]]}
    image = shop.image(root(shop, tree, set_id=rows))
    scripts = layers(shop, image, tmp_path)[2]
    assert [scripts[path][0].mode for path in tree] == [0o2755, 0o755]
    (note,) = record(shop, image)["notes"]
    assert 'setuid = ["/usr/bin/queue"]' in note
    path = record(shop, image)["layers"][2]["path"]
    modes = {row[0]: row[2] for row in _values((shop.disk(path) / ENTRIES).read_bytes())}
    assert modes[b"usr/bin/drop"] == 0o2755


def test_the_containers_own_files_replace_them(shop: Workshop, tmp_path: Path) -> None:
    files = shop.files({"path": "/etc/app.conf", "text": "mine"})
    image = shop.image(root(shop, TREE, EXCLUDED, ("etc/tool.conf",)), files=files)
    found = record(shop, image)["layers"]
    assert found[2]["excluded"] == [[0, b"etc/app.conf", "files", ""]]
    *_, scripts, _, own = layers(shop, image, tmp_path)
    assert "etc/app.conf" not in scripts and own["etc/app.conf"][1] == b"mine"


def test_an_accepted_program_can_be_one_that_a_script_made(shop: Workshop) -> None:
    made = root(shop, {"usr/bin/tool": ("app", link("/usr/bin/app"))})
    shop.image(made, {"entrypoint": ["tool"]})


def test_a_layer_without_packages_in_the_root_does_not_exist(shop: Workshop) -> None:
    image = shop.image(root(shop, {}))
    assert len(record(shop, image)["layers"]) == 3


@pytest.mark.parametrize(
    "row",
    [
        [b"etc/app.conf", "App", "postinst", POSTINST],
        [b"etc/app.conf", "app", "prerm", POSTINST],
        [b"etc/app.conf", "app", "postinst", "00"],
        [b"etc/app.conf", "app", "postinst", "x"],
        [b"etc/app.conf", "app", "postinst"],
        ["etc/app.conf", "app", "postinst", POSTINST],
        [b"etc/app.conf", 1, "postinst", POSTINST],
    ],
)
def test_origins_that_no_manifest_can_have_are_refused(shop: Workshop, row: list[Any]) -> None:
    path = configured(shop.store, {"etc/app.conf": ("app", b"")}, configured=[row])
    made = shop.root({"app": {"x": b""}}, GENERATED, configure={"path": str(path), "left_out": []})
    with pytest.raises(StoreError, match="malformed"):
        shop.image(made)
