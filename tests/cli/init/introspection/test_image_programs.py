"""The programs of a built package, of which an image runs one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.introspection.image_programs import own_programs


def test_an_environment_of_python_has_the_programs_of_the_project_itself(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.13/site-packages"
    for name, program, url in (
        ("wave", "wavectl", '{"dir_info": {}, "url": "file:///build/source"}'),
        ("dep", "dep", '{"archive_info": {}, "url": "file:///x.whl"}'),
    ):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "direct_url.json").write_text(url)
        (info / "RECORD").write_text(f"../../../bin/{program},sha256=x,20\n{name}/__init__.py,,\n")
    (tmp_path / "bin").mkdir()
    for name in ("wavectl", "dep", "pip", "activate", "python3"):
        (tmp_path / "bin" / name).touch()
    assert own_programs(tmp_path) == ["bin/activate", "bin/dep", "bin/pip", "bin/python3", "bin/wavectl"]
    (tmp_path / "pyvenv.cfg").touch()
    assert own_programs(tmp_path) == ["bin/wavectl"]


@pytest.mark.parametrize("name", ["direct_url.json", "RECORD"])
def test_no_link_of_a_built_package_is_followed(tmp_path: Path, name: str) -> None:
    """It may lead to a pipe, or to another file of the user."""
    (tmp_path / "built/bin").mkdir(parents=True)
    (tmp_path / "built/bin/wave").touch()
    (tmp_path / "built/pyvenv.cfg").touch()
    info = tmp_path / "built/lib/python3.13/site-packages/wave-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "direct_url.json").write_text('{"dir_info": {}}')
    (info / "RECORD").write_text("../../../bin/wave,,\n")
    (info / name).rename(tmp_path / "secret")
    (info / name).symlink_to(tmp_path / "secret")
    (tmp_path / "built/bin/pip").touch()
    assert own_programs(tmp_path / "built") == ([] if name == "RECORD" else ["bin/pip", "bin/wave"])
