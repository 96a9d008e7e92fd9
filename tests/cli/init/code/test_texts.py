"""Test which files count as the code of a project's programs."""

from __future__ import annotations

from pathlib import Path

from fpack.cli.init.code.texts import read_code


def test_code_of_the_build_and_beside_the_programs_is_left_out(tmp_path: Path) -> None:
    for name in ("wave/a.py", "contrib/b.py", "plugins/wave_setup.py", "wave_config.py", "wave_api.py", "wave_main.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import subprocess\n")
    (tmp_path / "setup.py").write_text(
        "import os, sys\nimport wave_config as config\nfrom wave_api import version\n"
        "setup(name='wave', version=version, py_modules=['wave_api'], packages=['wave'])\n"
    )
    assert list(read_code(tmp_path, (".py",))) == ["wave/a.py", "wave_api.py", "wave_main.py"]
