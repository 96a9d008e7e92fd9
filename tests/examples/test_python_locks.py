"""A Python project whose packages are locked, some as wheels and some as sources that are compiled in the build.

The packages come from a server of the test's own, where the lock says, and from the directory that pip is told to use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.pythons import SUMS, WORDS, sdist, wheel
from support.examples import World
from support.needs import needs_podman
from support.processes.podman import Podman
from support.servers.httpserver import Server

pytestmark = [pytest.mark.network, *needs_podman]


class Index:
    """The files that an index offers, and their hashes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.sums = sdist(folder, "sums", "1.0", SUMS)
        self.words = wheel(folder, "words", "2.0", WORDS)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index")


@pytest.fixture
def server(index: Index) -> Iterator[Server]:
    with Server(index.folder) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "adds"
    place.mkdir()
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "adds"\nversion = "3.1"\ndependencies = ["sums", "words"]\n'
        '[project.scripts]\nadds = "adds:main"\n'
    )
    (place / "adds.py").write_text(
        "import sys, sums, words\n\ndef main():\n    print(words.ANSWER, sums.total(*map(int, sys.argv[1:])))\n"
    )
    return place


def test_a_pylock(world: World, index: Index, server: Server, podman: Podman, project: Path) -> None:
    (project / "pylock.toml").write_text(f"""
lock-version = "1.0"
created-by = "a test"
default-groups = ["main"]

[[packages]]
name = "adds"
directory = {{ path = ".", editable = true }}

[[packages]]
name = "sums"
version = "1.0"
sdist = {{ name = "sums-1.0.tar.gz", url = "{server.url}/sums-1.0.tar.gz", hashes = {{ sha256 = "{index.sums}" }} }}

[[packages]]
name = "words"
version = "2.0"
marker = "'main' in dependency_groups or 'words' in extras"
[[packages.wheels]]
name = "words-2.0-py3-none-any.whl"
url = "{server.url}/words-2.0-py3-none-any.whl"
hashes = {{ sha256 = "{index.words}" }}

[[packages]]
name = "windows-only"
version = "1.0"
marker = "sys_platform == 'win32'"
[[packages.wheels]]
name = "windows_only-1.0-cp313-cp313-win_amd64.whl"
url = "{server.url}/windows_only-1.0-cp313-cp313-win_amd64.whl"
hashes = {{ sha256 = "{"ab" * 32}" }}

[[packages]]
name = "linter"
version = "1.0"
marker = "'dev' in dependency_groups"
[[packages.wheels]]
name = "linter-1.0-py3-none-any.whl"
url = "{server.url}/linter-1.0-py3-none-any.whl"
hashes = {{ sha256 = "{"cd" * 32}" }}
""")
    told = json.loads(world.fpack("init", "--json", cwd=project).stdout)
    assert told["todo"] == [] and "  project = ./pyproject.toml\n" in told["text"]
    assert world.fpack("run", "adds", "--", "adds", "40", "2", cwd=project, timeout=900).stdout == "the sum is 42\n"
    assert json.loads(world.fpack("eval", "adds.env", "--json", cwd=project).stdout)["python_environment"]
    packed = world.fpack.pack(cwd=project, timeout=300)
    assert podman.run(podman.load(project / packed["file"]), "2", "3").stdout == "the sum is 5\n"
    sources = json.loads(Path(packed["manifest"]).read_text())["sources"]
    locked = {each["name"]: each["hashes"] for each in sources if each["kind"] == "pypi"}
    assert locked["sums-1.0"] == [f"sha256:{index.sums}"] and locked["words-2.0"] == [f"sha256:{index.words}"]
    # Sources that are not the locked ones are never built.
    text = (project / "pylock.toml").read_text()
    (project / "pylock.toml").write_text(text.replace(index.sums, "cd" * 32))
    assert "cd" * 32 in world.fpack.fails("build", "adds", cwd=project, timeout=300)


def test_requirements_from_a_directory_of_pips(world: World, index: Index, project: Path) -> None:
    (project / "requirements.txt").write_text(
        f"sums==1.0 --hash=sha256:{index.sums}\nwords==2.0 \\\n    --hash=sha256:{index.words}\n"
    )
    (project / "fpack.fp").write_text(
        'adds = python { name = "adds", source = ./., requirements = ./requirements.txt, sources = SOURCES }\n'
    )
    place = project / "fpack.fp"
    text = place.read_text()
    env = {"PIP_FIND_LINKS": str(index.folder), "PIP_NO_INDEX": "1"}
    place.write_text(text.replace("SOURCES", "false"))
    error = world.fpack.fails("build", "adds", cwd=project, env=env, timeout=600)
    assert "sources = true" in error
    place.write_text(text.replace("SOURCES", "true"))
    done = world.fpack("run", "adds", "--", "adds", "1", "1", cwd=project, env=env, timeout=600)
    assert done.stdout == "the sum is 2\n"


def test_packages_installed_apart_are_the_files_of_one_build(world: World, index: Index, project: Path) -> None:
    (project / "requirements.txt").write_text(f"words==2.0 --hash=sha256:{index.words}\n")
    # Of the file that both have, the project's own is that of the result, and so is its bytecode.
    with open(project / "pyproject.toml", "a") as file:
        file.write('[tool.setuptools]\npy-modules = ["adds", "words"]\n')
    (project / "words.py").write_text('ANSWER = "it is"\n')
    (project / "adds.py").write_text("import words\n\ndef main():\n    print(words.ANSWER)\n")
    (project / "fpack.fp").write_text(
        'adds = python { name = "adds", source = ./., requirements = ./requirements.txt, sources = true }\n'
        "together = adds.with { apart = false }\n"
    )
    env = {"PIP_FIND_LINKS": str(index.folder), "PIP_NO_INDEX": "1"}
    assert world.fpack("run", "adds", "--", "adds", cwd=project, env=env, timeout=600).stdout == "it is\n"
    built = [world.fpack("build", name, "--json", cwd=project, env=env).stdout for name in ("adds", "together")]
    assert json.loads(built[0])["path"] == json.loads(built[1])["path"]


def test_packages_built_from_sources_are_the_same_each_time(world: World, tmp_path: Path) -> None:
    # Where they are built is in a string of C, in debug information, so in RECORD, and in a module of Python.
    code = SUMS["sums.c"].replace("  long a, b;", "  if (!args) return PyUnicode_FromString(__FILE__);\n  long a, b;")
    setup = (
        SUMS["setup.py"]
        .replace('["sums.c"]', '[os.path.abspath("sums.c")]')
        .replace("ext_m", 'py_modules=["at"], ext_m')
    )
    at = "import os\nwith open('at.py', 'w') as file:\n    print(f'HERE = {os.getcwd()!r}', file=file)\n"
    (tmp_path / "index").mkdir()
    digest = sdist(tmp_path / "index", "sums", "1.0", {**SUMS, "sums.c": code, "setup.py": at + setup})
    place = tmp_path / "adds"
    place.mkdir()
    (place / "requirements.txt").write_text(f"sums==1.0 --hash=sha256:{digest}\n")
    (place / "fpack.fp").write_text(
        'hashed = python { name = "adds", requirements = ./requirements.txt, sources = true }\n'
        'planned = python { name = "adds", needs = ["sums"] }\n'
    )
    env = {"PIP_FIND_LINKS": str(tmp_path / "index"), "PIP_NO_INDEX": "1"}
    for name in ("hashed", "planned"):
        done = world.fpack("build", name, "--check", "--json", cwd=place, env=env, timeout=600)
        files = Path(world.fpack.env["FPACK_ROOT"], "store", Path(json.loads(done.stdout)["path"]).name)
        assert "/tmp/pip-" in next(files.rglob("at.py")).read_text() and not list(files.rglob("*.pth"))


def test_a_project_with_another_builder(world: World, tmp_path: Path) -> None:
    place = tmp_path / "says"
    place.mkdir()
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling >= 1.20"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "says"\nversion = "1.0"\n[project.scripts]\nsays = "says:main"\n'
    )
    (place / "says.py").write_text("def main():\n    print('built by another')\n")
    assert json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"] == []
    assert world.fpack("run", "says", "--", "says", cwd=place, timeout=600).stdout == "built by another\n"
    (place / "fpack.fp").unlink()
    (place / "pyproject.toml").write_text('[build-system]\nrequires = ["Some_Builder[x] ~= 2"]\n')
    told = json.loads(world.fpack("init", "--print", "--json", cwd=place).stdout)
    assert told["todo"] == [] and "  project = ./pyproject.toml\n" in told["text"], "the first build resolves it"
