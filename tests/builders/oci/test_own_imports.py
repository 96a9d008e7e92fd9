"""An image whose program imports a module that nothing in the image has is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.oci.image_fs import PACKAGE_LABEL, FsSource, ImageFs
from fpack.builders.oci.own_imports import check_imports
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from support.stores.slices import content

PATH = "/usr/bin:/bin"


class Task:
    """A task that reads nothing of the store."""

    def check(self) -> None:
        pass


def check(
    place: Path,
    own: Mapping[str, str],
    words: Sequence[str],
    packages: Mapping[str, str] | None = None,
    workdir: str = "/",
    **env: str,
) -> None:
    """Check an image with files of its own and of packages, by relative path."""
    view = ImageFs()
    for label, files in ((f"{PACKAGE_LABEL}p", packages or {}), ("the configuration's files", own)):
        data = place / label
        for path, text in files.items():
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            (data / path).write_text(text)
        view.add(
            FsSource(label, str(data)),
            [content(text, 0o755)._replace(path=path) for path, text in sorted(files.items())],
        )
    assert meta.FILE == "f"
    task: Any = Task()
    check_imports(task, view, words, {"PATH": PATH, **env}, workdir, [])


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["python3", "/app/main.py"], {"app/main.py": "import json\nimport absent\n"}),
        (["/usr/bin/python3", "-u", "-W", "error", "main.py"], {"app/main.py": "import absent.sub\n"}),
        (["/usr/bin/tini", "--", "python3", "main.py"], {"app/main.py": "from absent import x\n"}),
        (["/app/main"], {"app/main": "#!/usr/bin/env python3\nimport absent\n"}),
        (["python3", "main.py"], {"app/main.py": "import helper\n", "app/helper.py": "import absent\n"}),
        (["python3", "main.py"], {"app/main.py": "import lib.a\n", "app/lib/__init__.py": "", "app/lib/a.py": "import absent"}),  # noqa: E501
        (["node", "main.js"], {"app/main.js": "const a = require('absent');\n"}),
        (["ruby", "main.rb"], {"app/main.rb": "require 'absent'\n"}),
        (["perl", "-w", "main.pl"], {"app/main.pl": "use strict;\nuse Absent::One;\n"}),
        (["lua5.4", "main.lua"], {"app/main.lua": "local a = require('absent')\n"}),
    ],
)  # fmt: skip
def test_a_module_that_nothing_has(tmp_path: Path, words: list[str], own: dict[str, str]) -> None:
    packages = {"usr/lib/python3.13/json/__init__.py": "", "usr/lib/x/perl-base/strict.pm": ""}
    with pytest.raises(BuildError) as caught:
        check(tmp_path, own, words, packages, "/app")
    text = f"{caught.value.what} {caught.value.why} {caught.value.hint}"
    assert "bsent" in caught.value.what and "add the package" in text and "debian.trixie." in text


@pytest.mark.parametrize(("module", "need"), [("absent", "absent"), ("pkg_resources", "setuptools<82")])
def test_a_module_that_an_environment_of_python_lacks(tmp_path: Path, module: str, need: str) -> None:
    path = "app/lib/python3.13/site-packages/wave.py"
    own = {"app/bin/wave": "#!/app/bin/python3\nimport wave\n", path: f"import {module}\n"}
    with pytest.raises(BuildError) as caught:
        check(tmp_path, own, ["/app/bin/wave"], {}, "/")
    assert caught.value.where == f"/{path}" and f'needs = ["{need}"]' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["python3", "main.py"], "try:\n    import absent\nexcept ImportError:\n    pass\n"),
        (["python3", "main.py"], "def f():\n    import absent\n"),
        (["python3", "main.py"], "import present\n"),
        (["python3", "main.py"], "import sys, time, math\n"),
        (["python3", "-m", "absent"], ""),
        (["python3", "-c", "import absent"], ""),
        (["python3", "/nowhere.py"], ""),
        (["python3"], ""),
        (["compiled", "main.py"], "import absent\n"),
        ([], ""),
    ],
)
def test_what_is_no_error(tmp_path: Path, words: list[str], text: str) -> None:
    check(tmp_path, {"app/main.py": text, "srv/deep/present.py": "", "usr/bin/compiled": "\x7fELF"}, words, {}, "/app")


def test_modules_of_a_volume_may_be_anything(tmp_path: Path) -> None:
    check(tmp_path, {"main.py": "import absent\n"}, ["python3", "/main.py"], PYTHONPATH="/data/modules")


def test_code_of_packages_is_believed(tmp_path: Path) -> None:
    packages = {"usr/lib/python3/dist-packages/dep.py": "import absent\n"}
    check(tmp_path, {"main.py": "import dep\n"}, ["python3", "/main.py"], packages)


def test_a_module_of_the_same_name_in_another_package_is_not_the_one_that_is_imported(tmp_path: Path) -> None:
    own = {
        "app/main.py": "import one.parts\nimport two\n",
        "app/one/__init__.py": "", "app/one/parts.py": "", "app/two.py": "",
        "app/other/__init__.py": "", "app/other/parts.py": "import absent\n", "app/other/two.py": "import absent\n",
        "app/other/one.py": "import absent\n",
    }  # fmt: skip
    check(tmp_path, own, ["python3", "main.py"], {}, "/app")
    with pytest.raises(BuildError, match="absent"):
        check(tmp_path / "2", {**own, "app/one/parts.py": "import other.parts\n"}, ["python3", "main.py"], {}, "/app")
