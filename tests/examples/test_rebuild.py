"""Images of real packages and projects, built again by another user from the image alone, in an empty store."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fpack.cli
import pytest
from support.examples import FROM_OUTSIDE, World
from support.paths import TESTS
from support.processes import unprivileged
from support.processes.people import public_directory
from support.processes.program import Fpack

pytestmark = pytest.mark.network


@pytest.fixture
def stranger() -> Iterator[Fpack]:
    """Yield a user with nothing but fpack and the registries that this machine reaches."""
    shown = [Path(sys.base_prefix), Path(sys.prefix), Path(fpack.cli.__file__).parents[1], TESTS]
    with public_directory("stranger") as place:
        made = Fpack(place / "home", prefix=tuple(unprivileged.prefix(shown)))
        made.use_mirrors_of_the_machine()
        made.env |= {name: value for name, value in os.environ.items() if name in FROM_OUTSIDE}
        if made.prefix:
            os.chown(made.home, unprivileged.UID, unprivileged.UID)
        yield made


def of_example(name: str) -> Callable[[World], Path]:
    """Pack an example, and delete its directory."""

    def pack(world: World) -> Path:
        folder = world.examples / name
        tar = world.examples / f"{name}.tar"
        world.fpack("pack", "-o", tar, cwd=folder, timeout=1800)
        shutil.rmtree(folder)
        return tar

    return pack


def curated(name: str) -> Callable[[World], Path]:
    """Pack a curated image."""

    def pack(world: World) -> Path:
        tar = world.examples / f"curated-{name}.tar"
        world.fpack("pack", name, "-o", tar, timeout=900)
        return tar

    return pack


IMAGES = {
    "c-hello": of_example("c-hello"),
    "flask": of_example("flask"),
    "node": of_example("node"),
    "postgres": curated("postgres"),
    "redis": curated("redis"),
}
LONG = ("flask", "node", "redis")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in IMAGES]
)
def test_an_image_is_built_again_by_another_user(world: World, stranger: Fpack, name: str) -> None:
    tar = Path(shutil.copy(IMAGES[name](world), stranger.home))
    tar.chmod(0o644)
    found = json.loads(stranger("verify", "--rebuild", "--json", tar, timeout=1800).stdout)
    assert found["rebuilt"] and found["success"] and not found["differences"] and not found["unchecked"]
