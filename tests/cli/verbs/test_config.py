"""`fpack config`: each setting with its value and where that is from."""

from __future__ import annotations

import json
from pathlib import Path

from support.processes.program import Fpack


def test_values_and_their_origins(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    file = fpack.home / ".config/fpack/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[eval]\nmemory = "1G"\n')
    found = json.loads(fpack("config", "--json", env={"FPACK_EVAL_TIME": "5"}).stdout)
    assert found["file"] == str(file)
    rows = {name: (row["value"], row["from"]) for name, row in found["settings"].items()}
    assert rows["eval.memory"] == (1 << 30, str(file))
    assert rows["eval.time"] == (5, "FPACK_EVAL_TIME")
    assert rows["store.root"] == (str(fpack.home / "store"), "FPACK_ROOT")
    assert rows["build.jobs"] == (0, "default")
    table = fpack("config").stdout
    assert all(name in table for name in rows)
    assert fpack("config", "eval.memory").stdout == f"{1 << 30}\n"


def test_a_name_that_is_none(tmp_path: Path) -> None:
    assert "did you mean `eval.time`?" in Fpack(tmp_path / "home").fails("config", "eval.tiem")
