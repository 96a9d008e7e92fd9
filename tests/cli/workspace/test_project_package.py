"""Test that `fpack build` without a name builds the project's package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.errors import UsageError
from fpack.cli.workspace import target as targets
from fpack.cli.workspace.project_package import project_package
from fpack.lang.evaluator import Evaluator
from fpack.store.errors import FpackError
from support.archives.packages import Everything, Files

CODEC = {"name": "zstd", "level": 3, "threads": 2, "library": "test"}
PACKAGES = """
debian = import("fpack/debian").trixie
lib = package { name = "lib", install = "true" }
app = package { name = "app", install = "true", libs = [lib] }
"""


class FakeWorkspace:
    """The part of a workspace that evaluates."""

    def __init__(self, root: Path, cache: Path) -> None:
        settings = {"arch": "amd64", "codec": CODEC}
        self.evaluator: Any = Evaluator(
            root=root, cache=cache, packages=Everything(), sources=Files(), settings=settings
        )

    def field(self, record: Any, name: str) -> Any:
        return self.evaluator.force(record[name]) if name in record else None

    def output(self, value: Any) -> tuple[bytes, str]:
        from fpack.store.derivation import Output

        digest, output, _ = self.evaluator.derivation_of(value)
        return Output(digest, output)


@pytest.fixture
def name_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that returns the name of the field that is built for a file."""
    monkeypatch.chdir(tmp_path)

    def found(text: str) -> str:
        (tmp_path / "fpack.fp").write_text(PACKAGES + text)
        workspace: Any = FakeWorkspace(tmp_path, tmp_path / "cache")
        return project_package(workspace, targets.parse(None, tmp_path)).path[0]

    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("image = container { packages = [app] }", "app"),
        ("image = container { packages = [debian.dash, app, lib] }", "app"),
        ("image = container { packages = [debian.dash] }", "image"),
        ('image = container { packages = [package { name = "x", install = "true" }] }', "image"),
        ("image = container { packages = [lib] }\nbroken = [].a", "lib"),
        ('image = text("image", "no container")', "image"),
    ],
)
def test_it_is_the_first_built_package_of_the_image(name_of: Callable[[str], str], text: str, name: str) -> None:
    assert name_of(text) == name


def test_without_an_image_it_is_the_only_package(name_of: Callable[[str], str]) -> None:
    with pytest.raises(UsageError) as raised:
        name_of("")
    assert "app, lib" in raised.value.why and raised.value.hint == "name one: fpack build app"


def test_a_package_that_cannot_be_evaluated_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fpack.fp").write_text(
        'app = error("There is no lock yet")\nshell = shell { name = "x", packages = [app] }'
    )
    workspace: Any = FakeWorkspace(tmp_path, tmp_path / "cache")
    with pytest.raises(FpackError, match="There is no lock yet"):
        project_package(workspace, targets.parse(None, tmp_path))
