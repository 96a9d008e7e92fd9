"""Test that images share the layers of what they have in common, and that a change is in one layer."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from fpack.store import canonical
from fpack.store.path import StorePath
from support.images.layout import Layout
from support.images.small_images import Tree, Workshop, program


def slices(count: int, changed: int = -1) -> dict[str, Tree]:
    """Packages of sizes that differ; the one that changed has another content of the same size."""
    found: dict[str, Tree] = {}
    for number in range(count):
        text = b"new" if number == changed else b"old"
        content = text * (10 + number * 37 % 997)
        found[f"p{number:03}"] = {f"usr/share/p{number}/file": content, f"usr/bin/p{number}": program(b"a program\n")}
    return found


def make(shop: Workshop, packages: dict[str, Tree], **args: object) -> StorePath:
    return shop.image(shop.root(packages), {"entrypoint": ["/usr/bin/p0"]}, **args)  # type: ignore[arg-type]


def layers(shop: Workshop, image: StorePath) -> list[str]:
    return [each["digest"] for each in canonical.decode((shop.disk(image) / "image").read_bytes())["layers"]]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "most"), [(40, 100), (40, 12), (150, 100)])
@pytest.mark.parametrize("which", [0, 17, 39])
def test_a_change_of_one_package_changes_one_layer(shop: Workshop, count: int, most: int, which: int) -> None:
    before = layers(shop, make(shop, slices(count), max_layers=most))
    after = layers(shop, make(shop, slices(count, which), max_layers=most))
    assert len(before) == len(after) == min(count + 1, len(before)) and len(before) <= most
    assert sum((Counter(before) - Counter(after)).values()) == 1
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1


def test_without_a_word_there_are_at_most_100(shop: Workshop) -> None:
    assert len(layers(shop, make(shop, slices(130)))) <= 100


def test_images_share_the_layers_of_what_they_share(shop: Workshop) -> None:
    both = slices(30)
    one = {name: both[name] for name in list(both)[:20]}
    two = {name: both[name] for name in ["p000", *list(both)[10:]]}
    first, second = (shop.bundle(make(shop, packages)) for packages in (one, two))
    common = first.layers().keys() & second.layers().keys()
    # Theirs and the generated files'.
    assert len(common) == 11 + 1
    assert first.layers().keys() - common and second.layers().keys() - common


def test_a_second_image_writes_only_what_is_new(shop: Workshop, tmp_path: Path) -> None:
    """Into the place of a first one: what both have is not touched."""
    out = tmp_path / "layout"
    shop.layout(make(shop, slices(20)), out)
    before = {p.name: p.stat() for p in (out / "blobs/sha256").iterdir()}
    shop.layout(make(shop, slices(20, 7)), out)
    after = {p.name: p.stat() for p in (out / "blobs/sha256").iterdir()}
    kept = before.keys() & after.keys()
    # One layer, the configuration and the manifest are new, and the old ones are gone.
    assert len(after.keys() - kept) == len(before.keys() - kept) == 3
    for name in kept:
        same = (before[name].st_ino, before[name].st_mtime_ns), (after[name].st_ino, after[name].st_mtime_ns)
        assert same[0] == same[1]


def test_a_blob_that_is_damaged_is_written_again(shop: Workshop, tmp_path: Path) -> None:
    image = make(shop, slices(3))
    out = tmp_path / "layout"
    shop.layout(image, out)
    layout = Layout(out)
    manifest = json.loads(layout.blob(layout.top))
    for number, each in enumerate([manifest["config"], *manifest["layers"][:2]]):
        place = out / "blobs/sha256" / each["digest"].partition(":")[2]
        data = bytearray(place.read_bytes())
        data[-1] ^= 1
        place.write_bytes(data)
        if number == 2:
            os.truncate(place, 3)
    shop.layout(image, out)
    for each in [manifest["config"], *manifest["layers"]]:
        layout.blob(each)
