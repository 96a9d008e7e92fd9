"""Eight machines, as processes with stores of their own, build overlapping graphs against one shared cache."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MACHINES, LEAVES = 8, 10

PROGRAM = """
import json, sys, threading, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Unavailable
from support.stores.caches import Graph, machine

place, number, machines, leaves, dies = Path(sys.argv[2]), *map(int, sys.argv[3:7])


class Dying(DirectoryRepository):
    left = dies or 1 << 30

    def _use(self):
        self.left -= 1
        if self.left < 0:
            raise Unavailable("The cache died", where=self.name)

    def tags(self, prefix=""):
        self._use()
        return super().tags(prefix)

    def write_manifest(self, data, media_type, tag=""):
        self._use()
        return super().write_manifest(data, media_type, tag)

    def read_blob(self, entry, offset=0, length=None):
        self._use()
        return super().read_blob(entry, offset, length)


graph = Graph()
found = [graph.add(f"leaf{n}") for n in range(leaves)]
middle = [graph.add(f"middle{n}", "", found[n : n + 3]) for n in range(leaves - 2)]
tops = [graph.add(f"top{n}", "", middle[n : n + 2]) for n in range(leaves - 3)]
wanted = [tops[(number + n) % len(tops)] for n in range(4)]
with machine(place / str(number), Dying(place / "cache")) as made:
    build = made.builder.build
    def slow(task):
        time.sleep(0.05)
        return build(task)
    made.builder.build = slow
    paths = made.build(graph, *wanted, push_to=made.cache)
    print(json.dumps({
        "built": made.builder.built,
        "paths": {str(wanted[n].derivation.hex()): str(paths[n]) for n in range(4)},
        "warnings": made.warnings,
    }))
"""


def run(place: Path, dies: int) -> list[dict[str, Any]]:
    tests = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tests, place, *map(str, (number, MACHINES, LEAVES, dies))],
            stdout=subprocess.PIPE,
        )
        for number in range(MACHINES)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * MACHINES
    return [json.loads(output) for output in outputs]


def agree(results: list[dict[str, Any]]) -> None:
    paths: dict[str, str] = {}
    for result in results:
        for derivation, path in result["paths"].items():
            assert paths.setdefault(derivation, path) == path


def test_each_derivation_is_built_about_once(tmp_path: Path) -> None:
    results = run(tmp_path, 0)
    agree(results)
    built = [name for result in results for name in result["built"]]
    assert [result["warnings"] for result in results] == [[]] * MACHINES
    assert len(built) <= len(set(built)) * 1.6  # a loaded machine may begin before it reads who builds; alone it is 1.1


@pytest.mark.parametrize("dies", [20])
def test_builds_go_on_when_the_cache_dies_in_the_middle(tmp_path: Path, dies: int) -> None:
    results = run(tmp_path, dies)
    agree(results)
    assert any("died" in text for result in results for text in result["warnings"])
