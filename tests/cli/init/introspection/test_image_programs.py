"""The programs of a built package, of which an image runs one."""

from __future__ import annotations

from pathlib import Path

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
