"""Test which facts of a Python project are read without running its code."""

from __future__ import annotations

from fpack.builders.python.project import PythonProject, caret, read_python_project
from support.growth import check_linear


def _read(**files: str) -> PythonProject:
    named = {name.replace("__", "/").replace("_", "."): text for name, text in files.items()}
    return read_python_project(named.get)


def test_a_project_table() -> None:
    found = _read(
        pyproject_toml="""
[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"
[project]
name = "shop"
dynamic = ["version"]
dependencies = ["flask>=3"]
requires-python = ">=3.9"
[project.optional-dependencies]
Fast_Path = ["uvloop"]
[project.scripts]
shop = "shop:main"
[dependency-groups]
dev = ["pytest", { include-group = "lint" }]
lint = ["ruff", { include-group = "dev" }]
[tool.hatch.build.hooks.custom]
dependencies = ["babel"]
"""
    )
    assert found.build == ("hatchling", "hatch-vcs", "babel") and found.version is None and not found.table_only
    assert found.requirements == ("flask>=3",) and found.extras == {"fast-path": ("uvloop",)}
    assert found.groups == {"dev": ("pytest", "ruff"), "lint": ("ruff", "pytest")}
    assert found.scripts == {"shop": "shop:main"} and found.is_project


def test_a_table_alone_is_an_application() -> None:
    assert _read(pyproject_toml='[project]\nname = "a"\nversion = "1"\n').table_only


def test_poetry() -> None:
    found = _read(
        pyproject_toml="""
[tool.poetry]
name = "shop"
version = "1.2"
[tool.poetry.dependencies]
python = "^3.9"
flask = "^3.0.1"
redis = { version = "~5.0", extras = ["hiredis"], optional = true, markers = "os_name == 'posix'" }
here = { path = "../here" }
[tool.poetry.extras]
cache = ["redis"]
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.scripts]
shop = "shop:main"
"""
    )
    assert found.requirements == ("flask>=3.0.1,<4",) and found.requires_python == ">=3.9,<4"
    assert found.extras["cache"] == ("redis[hiredis]>=5.0,<5.1 ; (os_name == 'posix')",)
    assert found.groups["dev"] == ("pytest",) and found.scripts == {"shop": "shop:main"}


def test_versions_of_poetry() -> None:
    assert caret("^0.3.1") == ">=0.3.1,<0.4" and caret("~1") == ">=1,<2" and caret(">=1, <2") == ">=1,<2"
    assert caret("*") == "" and caret("1.2") == "==1.2" and caret(">=3.8 <4") == ">=3.8,<4"


def test_setup_py_is_read_and_not_run() -> None:
    found = _read(
        setup_py="""
import os
os.abort()
NEEDS = ["requests", "six>=1"]
setup(
    name="old", version="0.3", install_requires=NEEDS + ["attrs"], extras_require={"x": ["y"]},
    entry_points={"console_scripts": ["old = old:main"]}, python_requires=">=3", setup_requires=["cffi"],
    ext_modules=[Extension("old._c", ["c.c"])],
)
"""
    )
    assert found.requirements == ("requests", "six>=1", "attrs") and found.extras == {"x": ("y",)}
    assert found.scripts == {"old": "old:main"} and found.extensions and found.build[-1] == "cffi"


def test_requirements_that_are_computed_are_told() -> None:
    assert "computed" in _read(setup_py="setup(install_requires=compute())").unread
    from_file = read_python_project(
        {
            "setup.py": "setup(install_requires=open('requirements.txt').read().splitlines())",
            "requirements.txt": "a\n#b\n",
        }.get
    )
    assert from_file.requirements == ("a",) and not from_file.unread


def test_setup_cfg() -> None:
    found = _read(
        setup_cfg="[metadata]\nname = old\nversion = attr: old.v\n[options]\ninstall_requires =\n  a>=1\n  b\n"
        "[options.entry_points]\nconsole_scripts =\n  run = old:main\n"
    )
    assert (found.name, found.version, found.requirements) == ("old", None, ("a>=1", "b"))
    assert found.scripts == {"run": "old:main"}


def test_damaged_files_are_as_if_absent() -> None:
    for text in ("[", "x = " + "[" * 5000, "def f(:", "setup(" * 200, "\x00", "[a]\nb = 1\nb"):
        for name in ("pyproject.toml", "setup.py", "setup.cfg"):
            read_python_project({name: text}.get)


_SETUP = """
from setuptools import setup
import ujson_of_this_system as ujson
arguments = {"name": "shop", "version": "1"}
arguments["install_requires"] = ["flask>=3", ujson.name]
setup(**arguments)
"""


def test_the_information_of_a_source_distribution_says_what_a_setup_computes() -> None:
    info = """Metadata-Version: 2.4
Name: shop
Requires-Dist: flask>=3
Requires-Dist: ujson>=5; sys_platform != "win32"
Provides-Extra: Fast_Path
Requires-Dist: uvloop; extra == "fast_path"
Dynamic: requires-dist

Requires-Dist: not-this
"""
    found = read_python_project({"setup.py": _SETUP, "PKG-INFO": info}.get)
    assert found.requirements == ("flask>=3", 'ujson>=5; sys_platform != "win32"') and not found.unread
    assert found.extras == {"fast-path": ('uvloop; extra == "fast_path"',)}
    # What setup.cfg says needs no guess, and may be newer.
    newer = read_python_project(
        {"setup.py": "", "setup.cfg": "[options]\ninstall_requires =\n  django\n", "PKG-INFO": info}.get
    )
    assert newer.requirements == ("django",)


def test_no_requirements_in_complete_information_are_none() -> None:
    computed = "from setuptools import setup\nsetup(name='a', install_requires=full and ['b'] or [])\n"
    complete = "Metadata-Version: 2.4\nName: a\nDynamic: summary\n"
    assert read_python_project({"setup.py": computed}.get).unread
    assert not read_python_project({"setup.py": computed, "PKG-INFO": complete}.get).unread
    for open_ended in (complete.replace("summary", "Requires-Dist"), complete.replace("2.4", "2.1"), "damaged"):
        assert read_python_project({"setup.py": computed, "PKG-INFO": open_ended}.get).unread


def test_a_constraint_of_many_signs_is_read_in_time_in_proportion_to_its_length() -> None:
    from fpack.builders.python.project import caret

    assert caret("^1.2a1") == caret(" ^1.2a1 ")
    caret("^1" + "a-" * 10_000 + "!")  # a pattern that tries each split takes 2 to the power of 10,000 steps


def test_blanks_of_a_constraint_are_read_once() -> None:
    assert caret("^1.2 \t , <\n2") == caret("^1.2,<2")
    check_linear(lambda size: caret("1" + " " * size + "a"))


def test_the_file_of_setuptools_says_what_older_information_lacks() -> None:
    computed = "from setuptools import setup\nsetup(install_requires=needs())\n"
    older = "Metadata-Version: 2.1\nName: wave-tool\n"
    listed = "numpy>=2\n\n[fast]\nujson\n\n[:python_version < '3']\nsix\n"
    for path in ("wave_tool.egg-info/requires.txt", "src/wave_tool.egg-info/requires.txt"):
        found = read_python_project({"setup.py": computed, "PKG-INFO": older, path: listed}.get)
        assert found.requirements == ("numpy>=2", "six ; (python_version < '3')") and not found.unread
        assert found.extras == {"fast": ('ujson ; extra == "fast"',)}
    # Only a source distribution has a PKG-INFO: the file of a checkout may be old.
    assert read_python_project({"setup.py": computed, "wave_tool.egg-info/requires.txt": listed}.get).unread


def test_the_sections_of_pbr() -> None:
    config = """[metadata]
name = wave
python_requires = >=3.9
[files]
packages = wave
scripts =
    bin/wave-hook
[entry_points]
console_scripts =
    wave-manage = wave.cmd:main
"""
    found = read_python_project(
        {"setup.cfg": config, "setup.py": "import setuptools\nsetuptools.setup(pbr=True)\n"}.get
    )
    assert found.scripts == {"wave-manage": "wave.cmd:main", "wave-hook": "bin/wave-hook"}
    assert (found.name, found.requires_python) == ("wave", ">=3.9")
