"""Locks of other tools for Python: what they install on one platform, and hostile ones."""

from __future__ import annotations

import pytest
from fpack.builders.python.locks import PythonLock, PythonLockUnreadable, read_lock
from fpack.builders.python.markers import environment
from fpack.builders.python.project import PythonProject

A, B = "a" * 64, "b" * 64
OWN = PythonProject(name="shop", requirements=("flask>=3",), extras={"fast": ("uvloop",)}, groups={"dev": ("pytest",)})


def _read(name: str, text: str, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> PythonLock:
    return read_lock(name, text, environment("3.13.5", "amd64", extras, groups), OWN)


def _names(lock: PythonLock) -> list[str]:
    return [f"{package.project} {package.version}" for package in lock.packages]


UV = """
version = 1
[[package]]
name = "shop"
version = "1"
source = { editable = "." }
dependencies = [{ name = "flask" }, { name = "colorama", marker = "sys_platform == 'win32'" }, { name = "part" }]
[package.optional-dependencies]
fast = [{ name = "uvloop" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "part"
version = "1"
source = { editable = "packages/part" }
""" + "".join(
    f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://index.example.org/simple" }}
dependencies = [{dependencies}]
wheels = [{{ url = "https://files.example.org/{name}-{version}-py3-none-any.whl", hash = "sha256:{A}" }}]
"""
    for name, version, dependencies in [
        ("flask", "3.1", '{ name = "click" }'),
        ("click", "8", ""),
        ("uvloop", "1", ""),
        ("pytest", "9", ""),
        ("colorama", "1", ""),
    ]
)


def test_uv() -> None:
    lock = _read("uv.lock", UV)
    assert _names(lock) == ["click 8", "flask 3.1"] and lock.local == ("packages/part",)
    assert lock.packages[0].files[0].name == "click-8-py3-none-any.whl" and lock.packages[0].files[0].sha256 == A
    assert _names(_read("uv.lock", UV, ("fast",), ("dev",))) == ["click 8", "flask 3.1", "pytest 9", "uvloop 1"]


def test_poetry() -> None:
    text = f"""
[[package]]
name = "flask"
version = "3.1"
python-versions = ">=3.9"
files = [{{ file = "flask-3.1-py3-none-any.whl", hash = "sha256:{A}" }}]
[package.dependencies]
click = ">=8"
colorama = {{ version = "*", markers = "sys_platform == 'win32'" }}
asgiref = {{ version = "*", optional = true }}
[[package]]
name = "click"
version = "8"
python-versions = "*"
files = [{{ file = "click-8.tar.gz", hash = "sha256:{B}" }}]
[[package]]
name = "pytest"
version = "9"
python-versions = "*"
files = [{{ file = "pytest-9-py3-none-any.whl", hash = "sha256:{B}" }}]
[metadata]
lock-version = "2.1"
"""
    assert _names(_read("poetry.lock", text)) == ["click 8", "flask 3.1"]
    assert _names(_read("poetry.lock", text, groups=("dev",))) == ["click 8", "flask 3.1", "pytest 9"]


def test_pdm() -> None:
    text = "".join(
        f"""
[[package]]
name = "{name}"
version = "1"
groups = ["{group}"]
marker = "{marker}"
files = [{{ file = "{name}-1-py3-none-any.whl", hash = "sha256:{A}" }}]
"""
        for name, group, marker in [
            ("flask", "default", ""),
            ("pytest", "dev", ""),
            ("colorama", "default", "sys_platform == 'win32'"),
        ]
    )
    assert _names(_read("pdm.lock", text)) == ["flask 1"]
    assert _names(_read("pdm.lock", text, groups=("dev",))) == ["flask 1", "pytest 1"]


def test_pylock() -> None:
    text = f"""
lock-version = "1.0"
default-groups = ["main"]
[[packages]]
name = "shop"
directory = {{ path = "." }}
[[packages]]
name = "a"
version = "1"
marker = "'main' in dependency_groups"
wheels = [{{ name = "a-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "b"
version = "1"
marker = "'docs' in extras"
sdist = {{ name = "b-1.tar.gz", hashes = {{ sha256 = "{B}" }} }}
"""
    assert _names(_read("pylock.toml", text)) == ["a 1"]
    assert _names(_read("pylock.web.toml", text, ("docs",))) == ["a 1", "b 1"]


def test_requirements_with_hashes() -> None:
    text = f"a==1 \\\n  --hash=sha256:{A} \\\n  --hash=sha256:{B}\nb==2 ; os_name == 'nt' --hash=sha256:{A}\n"
    lock = _read("requirements.txt", text)
    assert _names(lock) == ["a 1"] and [file.sha256 for file in lock.packages[0].files] == [A, B]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("uv.lock", "[", "not valid TOML"),
        ("uv.lock", 'version = 1\n[[package]]\nname = "other"', "no entry for the project"),
        ("uv.lock", UV.replace('editable = "packages/part"', 'editable = "../part"'), "outside of the project"),
        ("uv.lock", UV.replace('{ name = "click" }', '{ name = "gone" }'), "has no entry"),
        ("uv.lock", UV.replace(f"sha256:{A}", "md5:00"), "no file with a sha256"),
        ("uv.lock", UV.replace('registry = "https://index.example.org/simple"', 'git = "https://x"'), "a repository"),
        ("other.toml", "a = 1", "is unknown"),
        ("pdm.lock", "package = 1", "cannot be read"),
        ("poetry.lock", "[[package]]\nversion = 1", "cannot be read"),
        ("pylock.toml", 'lock-version = "1"\npackages = [1]', "cannot be read"),
        ("pdm.lock", '[[package]]\nname = "../x"\nversion = "1"', "not the name of a package"),
        ("pylock.toml", 'lock-version = "1"\n[[packages]]\nname = "a"\nmarker = "x"', "cannot be read"),
        ("requirements.txt", "a>=1", "no exact version"),
    ],
)
def test_hostile_locks(name: str, text: str, why: str) -> None:
    with pytest.raises(PythonLockUnreadable) as error:
        _read(name, text)
    assert why in f"{error.value.what} {error.value.why}"
