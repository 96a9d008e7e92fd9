"""Sets of packages that were changed, for another platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Packages

DEFINITIONS = """
debian = import("fpack/debian").trixie
mine = debian.extend((old, new) => { both = [new.sudo, new.dash], sudo = old.sudo.slice { drop = ["/usr/share"] } })
"""

CASES = {
    # Layers see the packages of the other platform, also those that a later layer changes.
    '[p.arch for p in mine.for("arm64").both]': ["arm64", "arm64"],
    '[p.rule.drop for p in mine.for("arm64").both]': [["/usr/share"], []],
    '[p.name for p in mine.extend((old, new) => { dash = new.bash }).for("arm64").both]': ["sudo", "bash"],
    '[p.arch for p in mine.extend((old, new) => { dash = new.bash }).for("arm64").both]': ["arm64", "arm64"],
    '[p.arch for p in mine.for("arm64").extend((old, new) => { dash = new.bash }).both]': ["arm64", "arm64"],
    'mine.with { sudo = 1 }.for("arm64").both |> head': 1,
    '[p.arch for p in mine.for("arm64").for("amd64").both]': ["amd64", "amd64"],
    # The field can be of both, and a layer can change it.
    'debian.extend((old, new) => { arm = new.for("arm64") }).arm.arm.dash.arch': "arm64",
    'debian.with(old => { for = old.for, sudo = 1 }).for("arm64").sudo': 1,
    'mine.with { for = to => "my own ${to}" }.for("arm64")': "my own arm64",
    'mine.extend { for = debian.for }.for("arm64").sudo.rule.drop': ["/usr/share"],
    '{ for = to => to }.extend({ dash = 1 }).for("arm64")': "arm64",
    # A record that spreads a release first is an extension too.
    '{ ...debian, dash = 1, both = [sudo], sudo = debian.bash }.for("arm64").dash': 1,
    '{ ...debian, mine = 1 }.for("arm64").sudo.arch': "arm64",
    # The set of a directory is an extension.
    'let set = package-set(./pkgs, debian) in [set.for("arm64").shell, set.shell]': ["arm64", "amd64"],
    'package-set(./pkgs, debian).extend({ a = 1 }).for("arm64").shell': "arm64",
}


def ask(place: Path, cache: Path, expression: str) -> Any:
    (place / "pkgs").mkdir()
    (place / "pkgs/shell.fp").write_text("shell({ dash }) = dash.arch\n")
    (place / "fpack.fp").write_text(f"{DEFINITIONS}\nresult = {expression}\n")
    evaluator = Evaluator(root=place, cache=cache, packages=Packages(), settings={"arch": "amd64"})
    return evaluator.to_json(evaluator.select(evaluator.load(place / "fpack.fp"), ["result"]))


@pytest.mark.parametrize("expression", CASES)
def test_changes_are_kept(tmp_path: Path, cache: Path, expression: str) -> None:
    assert ask(tmp_path, cache, expression) == CASES[expression]


def test_a_layer_is_evaluated_only_for_what_is_asked(tmp_path: Path, cache: Path) -> None:
    expression = 'debian.extend((old, new) => { sudo = error("asked") }).for("arm64")'
    assert ask(tmp_path, cache, f"{expression}.dash.arch") == "arm64"
    (tmp_path / "pkgs/shell.fp").unlink()
    (tmp_path / "pkgs").rmdir()
    with pytest.raises(EvalError, match="asked"):
        ask(tmp_path, cache, f"{expression}.sudo")
