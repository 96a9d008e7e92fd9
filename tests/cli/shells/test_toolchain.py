"""A shell with a newer release's toolchain on this machine: C, C++ with CMake, a Python extension, npm and Go."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.shells import machine
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.stores.shared import shared_store

pytestmark = [
    pytest.mark.network,
    pytest.mark.long,
    needs_bubblewrap,
]

SHELL = """
debian = import("fpack/debian").trixie
shell = shell {
  name = "tools"
  packages = [
    debian.gcc, debian."g++", debian.make, debian.cmake, debian.git, debian.python3, debian.python3-dev,
    debian.python3-venv, debian.python3-setuptools, debian.python3-wheel, debian.nodejs, debian.npm, debian.golang-go,
  ]
}
"""
FILES = {
    "c/hello.c": '#include <stdio.h>\nint main(void) { printf("c %d\\n", __GNUC__); return 0; }\n',
    "c/Makefile": "hello: hello.c\n\t$(CC) -O2 -Wall -o $@ $<\n",
    "cpp/CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(t CXX)\nadd_executable(hello hello.cpp)\n"
    "enable_testing()\nadd_test(NAME hello COMMAND hello)\n",
    "cpp/hello.cpp": "#include <iostream>\n#include <vector>\nint main() { std::vector<int> v{1, 2};\n"
    'std::cout << "c++ " << v.size() << "\\n"; }\n',
    "ext/setup.py": "from setuptools import Extension, setup\n"
    'setup(name="ext", version="1", ext_modules=[Extension("ext", ["ext.c"])])\n',
    "ext/ext.c": "#define PY_SSIZE_T_CLEAN\n#include <Python.h>\n"
    "static PyObject *answer(PyObject *s, PyObject *a) { return PyLong_FromLong(42); }\n"
    'static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};\n'
    'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext", "", -1, methods};\n'
    "PyMODINIT_FUNC PyInit_ext(void) { return PyModule_Create(&module); }\n",
    "npm/index.js": 'console.log("node", require("tiny")(20))\n',
    "go/go.mod": "module example.org/hello\n\ngo 1.24\n",
    "go/main.go": 'package main\n\nimport (\n\t"fmt"\n\t"net/url"\n)\n\n'
    'func main() { u, _ := url.Parse("http://a/b"); fmt.Println("go", u.Host) }\n',
}
STEPS = {
    "c": ("make -s && ./hello", "c 14"),
    "cpp": ("cmake -S . -B build >/dev/null && cmake --build build >/dev/null && ctest --test-dir build >/dev/null && "
            "build/hello", "c++ 2"),
    "ext": ("python3 -m venv --system-site-packages venv && . venv/bin/activate && "
            "pip install -q --no-index --no-build-isolation . && cd / && "
            "python -c 'import ext; print(\"py\", ext.answer())'",
            "py 42"),
    "npm": ("npm ci --silent --offline --no-audit --no-fund >/dev/null && node index.js", "node 21"),
    "go": ("go build -o hello . && ./hello", "go a"),
    ".": ("git init -q repo && cd repo && git -c user.name=a -c user.email=b@c commit -q --allow-empty -m one && "
          "git log --format=%s", "one"),
}  # fmt: skip


def project(place: Path) -> Path:
    for name, text in {**FILES, "fpack.fp": SHELL}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (("package.json", '{"name": "tiny", "version": "1.0.0", "main": "i.js"}'),
                           ("i.js", "module.exports = n => n + 1\n")):  # fmt: skip
            info = tarfile.TarInfo(f"package/{name}")
            info.size, info.uid, info.gid = len(text), 12345, 12345
            tar.addfile(info, io.BytesIO(text.encode()))
    (place / "npm" / "tiny-1.0.0.tgz").write_bytes(packed.getvalue())
    digest = base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
    wanted = {"tiny": "file:tiny-1.0.0.tgz"}
    own = {"name": "app", "version": "1.0.0", "dependencies": wanted}
    (place / "npm" / "package.json").write_text(json.dumps(own))
    tiny = {"version": "1.0.0", "resolved": "file:tiny-1.0.0.tgz", "integrity": f"sha512-{digest}"}
    lock = {**own, "lockfileVersion": 3, "requires": True, "packages": {"": own, "node_modules/tiny": tiny}}
    del lock["dependencies"]
    (place / "npm" / "package-lock.json").write_text(json.dumps(lock))
    return place


@pytest.fixture(scope="module", params=["root", "user", "root-beside-fpack", "user-beside-fpack"])
def inside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fpack, Path]]:
    """Yield the project's shell, entered once: as root or as a user, on a machine with or without a directory /fpack.

    Root's store is that directory, where there is one. A user has a store of their own, and may not write there.
    """
    folder = tmp_path_factory.mktemp("tools")
    who, _, beside = request.param.partition("-")
    if os.geteuid() != 0 and who == "root":
        pytest.skip("the tests do not run as root")
    more = {"/fpack": of_somebody(folder / "fpack", 0o755 if who == "root" else 0o555)} if beside else {}
    fpack = Fpack(folder / "home", prefix=machine(more, user=who == "user"))
    fpack.use_mirrors_of_the_machine()
    fpack.env["USER"] = "root" if who == "root" else "ann"
    if beside and who == "root":
        del fpack.env["FPACK_ROOT"]
    place = project(folder / "home" / "project")
    fpack("shell", "--", "true", cwd=place, timeout=900)
    assert (folder / "fpack" / "views").exists() == bool(beside and who == "root")
    yield fpack, place
    shutil.rmtree(folder, ignore_errors=True)


def of_somebody(folder: Path, mode: int) -> Path:
    """Put into /fpack a path of another store, which no shell may show."""
    (folder / "store" / "other").mkdir(parents=True)
    (folder / "store" / "other" / "file").write_text("of the host")
    folder.chmod(mode)
    return folder


@pytest.mark.parametrize("step", STEPS)
def test_it_builds_and_runs(inside: tuple[Fpack, Path], step: str) -> None:
    fpack, place = inside
    script, expected = STEPS[step]
    done = fpack("shell", "--", "bash", "-c", f"cd {place}/{step} && {script}", cwd=place, timeout=300)
    assert done.stdout.splitlines()[-1] == expected, done.stdout + done.stderr


def test_nothing_of_the_hosts_store_is_seen(inside: tuple[Fpack, Path]) -> None:
    fpack, place = inside
    assert (
        fpack("shell", "--", "sh", "-c", "ls /fpack /fpack/store", cwd=place).stdout
        == "/fpack:\nstore\n\n/fpack/store:\n"
    )


def test_a_newer_releases_program_runs_on_this_machine(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fpack = Fpack(tmp_path / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    done = fpack("run", "--accept-expired", "debian.sid.nix-bin", "--", "nix", "--version", timeout=900)
    assert done.stdout.startswith("nix (Nix) 2.")
