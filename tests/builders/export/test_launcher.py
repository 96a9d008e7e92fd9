"""The launcher of a distribution's package: what its program sees of the image, and of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.export import deb, flattened, launcher
from fpack.builders.streams.codecs import codec
from fpack.store.path import StorePath
from support.images.small_images import Tree, Workshop, folder, link, program, static_program


def script(shop: Workshop, image: StorePath, scratch: Path) -> tuple[str, set[str]]:
    """Return the launcher's lines, and the paths that it adds to the image."""
    with flattened.FileSystem(shop.tree(image), shop.tree, scratch) as files:
        made = launcher.launcher(files, "app")
    return made.script.decode(), {os.fsdecode(m.path) for m in made.missing}


def make(shop: Workshop, config: Mapping[str, Any] | None = None, more: Tree | None = None, **args: Any) -> StorePath:
    show = program(static_program())
    given = {"entrypoint": ["/usr/bin/show"], **(config or {})}
    tree = {"usr/bin/show": show, **(more or {})}
    return shop.image(shop.root({"app": tree}), given, name="app", tag="1", **args)


class Installed:
    """A package that was unpacked, and what runs it."""

    def __init__(self, place: Path, home: Path) -> None:
        self.place = place
        self.home = home
        home.mkdir()

    def __call__(self, *arguments: str, cwd: Path | str = "/", env: Mapping[str, str] | None = None) -> list[str]:
        done = subprocess.run(
            [self.place / "usr/bin/app", *arguments],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **(env or {})},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def install(shop: Workshop, image: StorePath, folder_: Path) -> Installed:
    for tool in ("bwrap", "dpkg-deb"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if subprocess.run(["bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"], capture_output=True).returncode:
        pytest.skip("bubblewrap cannot make a sandbox here")
    deb.write_deb(shop.tree(image), shop.tree, codec("zstd:3"), folder_ / "app.deb")
    subprocess.run(["dpkg-deb", "-x", folder_ / "app.deb", folder_ / "system"], check=True)
    return Installed(folder_ / "system", folder_ / "home")


def test_the_program_runs_in_the_image(shop: Workshop, tmp_path: Path) -> None:
    app = install(shop, make(shop, more={"etc/only-here": b"x"}), tmp_path)
    shown = app("/etc/only-here", "/usr/bin/env", "/etc/hosts", "/opt", "/proc/self", "/dev/null", "$HOME")
    assert shown[0] == f"uid {os.getuid()} gid {os.getgid()}"
    assert shown[1].startswith("/etc/only-here: 100644 ")
    # Not the machine's programs, but its names of hosts.
    assert shown[2] == "/usr/bin/env: absent" and shown[3].startswith("/etc/hosts: 100")
    assert shown[4] == "/opt: absent" and "absent" not in shown[5] + shown[6]
    assert shown[7] == f"HOME={app.home}"


def test_the_command_counts_where_no_argument_is_given(shop: Workshop, tmp_path: Path) -> None:
    app = install(shop, make(shop, {"command": ["$A", "two words", "it's $HOME `id` \\"], "env": {"A": "1"}}), tmp_path)
    assert app()[1:] == ["A=1", "two words: absent", "it's $HOME `id` \\: absent"]
    assert app("/x")[1:] == ["/x: absent"]
    assert app("--help", "")[1:] == ["--help: absent", ": absent"]


def test_variables(shop: Workshop, tmp_path: Path) -> None:
    given = {"A": 'it\'s "$HOME" `id`\nnext', "B": "image", "C-D": "x y", "PATH": "/usr/bin"}
    app = install(shop, make(shop, {"env": given}), tmp_path)
    env = {"B": "caller", "E": "caller's own", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    shown = app("$A", "$B", "$C-D", "$E", "$LANG", "$LC_ALL", "$PATH", env=env)[1:]
    assert shown == [
        *['A=it\'s "$HOME" `id`', "next"],
        "B=caller",
        "C-D=x y",
        "E=caller's own",
        "LANG=C.UTF-8",
        "LC_ALL=",
        "PATH=/usr/bin",
    ]


def test_the_user_of_the_image_is_who_it_says(shop: Workshop, tmp_path: Path) -> None:
    app = install(shop, make(shop, {"user": "999:998"}), tmp_path)
    assert app()[0] == "uid 999 gid 998"


def test_volumes_are_kept_with_the_users_data(shop: Workshop, tmp_path: Path) -> None:
    tree = {"var/app/data/first": b"from the image", "srv/app.py": b""}
    app = install(shop, make(shop, {"volumes": ["/var/app/data", "/new"]}, tree), tmp_path)
    env = {"XDG_DATA_HOME": str(tmp_path / "data")}
    base = Path("/var/lib/app") if os.getuid() == 0 else tmp_path / "data/app"
    if base.exists():
        pytest.skip(f"{base} is in use")
    try:
        assert "absent" not in app("/var/app/data/first", "/new", env=env)[1]
        kept = base / "var/app/data"
        assert (kept / "first").read_bytes() == b"from the image" and (base / "new").is_dir()
        (kept / "second").write_text("made by the program")
        (kept / "first").unlink()
        shown = app("/var/app/data/first", "/var/app/data/second", env=env)
        assert shown[1] == "/var/app/data/first: absent" and "absent" not in shown[2]
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_the_current_directory_is_seen_where_files_are_kept(shop: Workshop, tmp_path: Path) -> None:
    app = install(shop, make(shop), tmp_path)
    place = next((p for p in ("/tmp", "/var/tmp", "/home") if tmp_path.resolve().is_relative_to(p)), None)
    if place is None:
        pytest.skip("the tests' directory is in a place of its own")
    (tmp_path / "here").write_text("x")
    assert "absent" not in app("here", cwd=tmp_path)[1]
    assert app("only-etc", "here", cwd="/etc")[1:] == ["only-etc: absent", "here: absent"]
    app = install(shop, make(shop, {"workdir": "/usr"}), mkdir(tmp_path / "second"))
    assert "absent" not in app("bin/show", cwd=tmp_path)[1]


def mkdir(place: Path) -> Path:
    place.mkdir()
    return place


def test_what_the_image_has_is_not_covered_by_the_machines(shop: Workshop, tmp_path: Path) -> None:
    text, missing = script(shop, make(shop, more={"srv/app.py": b"x", "home": link("usr")}), tmp_path)
    assert "--bind /srv" not in text and "--bind /home" not in text and "--bind /mnt /mnt" in text
    assert "mnt" in missing and "srv" not in missing
    text, _ = script(shop, make(shop, {"volumes": ["/mnt/data"], "workdir": "/media/x"}), tmp_path)
    assert "--bind /mnt /mnt" not in text and "--bind /media" not in text and "'mnt/data'" in text


def test_what_the_user_may_write_to_is_a_temporary_directory(shop: Workshop, tmp_path: Path) -> None:
    tree = {
        "run/app": folder(0o755, 999, 998),
        "var/lib/app": folder(0o750, 999, 998),
        "var/lib/app/sub": folder(0o750, 999, 998),
        "var/lib/full": folder(0o755, 999, 998),
        "var/lib/full/file": b"content of the image",
        "var/lib/other": folder(0o755, 7, 7),
        "var/spool": folder(0o1777),
    }
    image = make(shop, {"user": "999:998"}, tree)
    text, _ = script(shop, image, tmp_path)
    lines = [line for line in text.splitlines() if "--tmpfs" in line]
    assert [line.split()[3].replace("'", "") for line in lines] == ["/var/spool", "/var/lib/app", "/run"]
    assert "--dir /'var/lib/app/sub'" in lines[1] and "--dir /'run/app'" in lines[2]
    app = install(shop, image, tmp_path)
    shown = app("/run/app", "/var/lib/app/sub", "/var/lib/full/file", "/var/lib/other")
    assert not [line for line in shown if "absent" in line]


def test_links_are_never_mounted_on(shop: Workshop, tmp_path: Path) -> None:
    tree = {"var/run": link("/run"), "data": link("/etc"), "etc/resolv.conf": link("/run/resolv.conf")}
    text, missing = script(shop, make(shop, {"volumes": ["/data", "/var/run/x"]}, tree), tmp_path)
    assert "'data'" not in text and "var/run" not in text and "resolv.conf" not in text
    assert not {path for path in missing if path.startswith(("data/", "var/run"))}


def test_bubblewrap_is_asked_for(shop: Workshop, tmp_path: Path) -> None:
    app = install(shop, make(shop), tmp_path)
    tools = mkdir(tmp_path / "tools")
    for tool in ("sh", "dirname", "readlink", "id", "env"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    done = subprocess.run([app.place / "usr/bin/app"], env={"PATH": str(tools)}, capture_output=True, text=True)
    assert done.returncode == 127 and "bubblewrap is not installed" in done.stderr
