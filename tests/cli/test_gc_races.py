"""gc in a loop beside commands that build: none of them fails, and what they make is right."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fpack.store.store import Store
from fpack.store.verify import check
from support.fixtures import archive as archive
from support.fixtures import new_user as new_user
from support.processes.program import Fpack
from support.servers.registry import Registry

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.hello]
  files = { "/etc/motd" = { text = "TEXT\\n", mode = "0644" } }
}
"""


def project(fpack: Fpack, name: str, text: str) -> Path:
    directory = fpack.home / name
    directory.mkdir(exist_ok=True)
    (directory / "fpack.fp").write_text(PROJECT.replace("TEXT", text))
    return directory


@contextmanager
def collecting(fpack: Fpack, *options: str) -> Iterator[list[int]]:
    """Collect garbage in a loop. The list has one item for each collection that ended."""
    stop = threading.Event()
    ended: list[int] = []
    failures: list[str] = []

    def loop() -> None:
        while not stop.is_set():
            done = fpack("gc", *options, status=None)
            ended.append(done.returncode)
            if done.returncode:
                failures.append(done.stderr)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()
    assert failures == []


def packed(fpack: Fpack, directory: Path, target: Path) -> str:
    fpack.pack("-o", target, cwd=directory)
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "count", [1, pytest.param(3, marks=pytest.mark.faults), pytest.param(100, marks=pytest.mark.long)]
)
def test_cold_packs_beside_collections(fpack: Fpack, tmp_path: Path, count: int) -> None:
    directory = project(fpack, "project", "hi")
    expected = packed(fpack, directory, tmp_path / "image.tar")
    collections = 0
    for _ in range(count):
        shutil.rmtree(fpack.home / "store")
        fpack("gc")
        with collecting(fpack, "--all") as ended:
            assert packed(fpack, directory, tmp_path / "image.tar") == expected
        collections += len(ended)
    assert collections >= count


@pytest.mark.parametrize(
    "count", [1, pytest.param(2, marks=pytest.mark.faults), pytest.param(40, marks=pytest.mark.long)]
)
def test_edits_of_two_projects_beside_collections(fpack: Fpack, tmp_path: Path, count: int) -> None:
    def edit(name: str) -> None:
        for n in range(count):
            directory = project(fpack, name, f"{name} {n}")
            packed(fpack, directory, tmp_path / f"{name}.tar")
            made = json.loads(fpack("build", "image.image", "--json", cwd=directory).stdout)
            assert Path(made["disk"]).is_dir() and (directory / "result").resolve() == Path(made["disk"])

    with collecting(fpack, "--all"), ThreadPoolExecutor(2) as pool:
        list(pool.map(edit, ("one", "two")))
    store = Store(fpack.home / "store")
    found = check(store)
    assert found.damaged == () and found.pool == () and found.paths
    store.close()


@pytest.mark.parametrize(
    "count", [1, pytest.param(3, marks=pytest.mark.faults), pytest.param(60, marks=pytest.mark.long)]
)
def test_pulls_and_substitutions_beside_collections(fpack: Fpack, tmp_path: Path, count: int) -> None:
    directory = project(fpack, "project", "hi")
    cache = f"file://{tmp_path / 'cache'}"
    (directory / "texts.fp").write_text('one = text("one", "1")\ntwo = text("two", "${one}")\n')
    fpack("key", "generate", "-o", tmp_path / "ci.pem")
    push = ["cache", "push", "texts.fp#two", "--to", cache, "--key", tmp_path / "ci.pem"]
    fpack(*push, cwd=directory)
    caches = {"FPACK_CACHES": cache, "FPACK_CACHE_KEYS": str(tmp_path / "ci.pub")}
    built = fpack("build", "texts.fp#two", "--no-link", cwd=directory).stdout
    with Registry() as registry:
        reference = f"{registry.host}/team/app:1"
        fpack("pack", "--push", reference, "--plain-http", cwd=directory)
        wanted = ""
        for number in range(count):
            shutil.rmtree(fpack.home / "store")
            fpack("gc")
            with collecting(fpack, "--all"), ThreadPoolExecutor(2) as pool:
                pulled = pool.submit(fpack, "pull", reference, "--plain-http", "--json", cwd=directory)
                words = ["build", "texts.fp#two", "-o", f"result-{number}"]
                substituted = pool.submit(fpack, *words, cwd=directory, env=caches)
                found = json.loads(pulled.result().stdout)["path"]
                assert substituted.result().stdout == built and (directory / f"result-{number}").exists()
            assert found == (wanted := wanted or found)
            store = Store(fpack.home / "store")
            damage = check(store)
            assert damage.damaged == () and damage.pool == ()
            store.close()
