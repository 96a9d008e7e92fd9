"""Packing for other platforms, for several at once, and several things at once."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.archives.archive import Archive
from support.archives.machines import MACHINES, small_world
from support.images.layout import Layout
from support.processes.program import Fpack

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.greet]
  closure = "linked"
  wants = ["/usr/share/greet/words"]
}
other = container { packages = [debian.wave], closure = "depends", entrypoint = ["/usr/bin/wave"], ports = [80] }
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return small_world(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    made = Fpack(tmp_path / "home", archive)
    (made.home / "fpack.fp").write_text(PROJECT)
    return made


def unpacked(tar: Path, folder: Path) -> Layout:
    with tarfile.open(tar) as opened:
        opened.extractall(folder, filter="data")
    return Layout(folder)


def test_two_platforms_are_one_index_of_what_each_is_alone(fpack: Fpack, tmp_path: Path) -> None:
    both = fpack.pack("--platform", "linux/amd64,linux/arm64", "-o", "both.tar")
    lock = (fpack.home / "fpack.lock").read_text()
    assert "package trixie amd64 greet " in lock and "package trixie arm64 greet " in lock
    alone = {
        "linux/amd64": fpack.pack("--frozen", "--arch", "amd64", "-o", "amd64.tar"),
        "linux/arm64": fpack.pack("--frozen", "--platform", "linux/arm64", "-o", "arm64.tar"),
    }
    assert (fpack.home / "fpack.lock").read_text() == lock
    assert {each["platform"]: each["digest"] for each in both["platforms"]} == {
        name: each["digest"] for name, each in alone.items()
    }
    layout = unpacked(fpack.home / "both.tar", tmp_path / "both")
    assert layout.top["digest"] == both["digest"]
    assert {p: m["digest"] for p, m in layout.platforms().items()} == {n: a["digest"] for n, a in alone.items()}
    again = fpack.pack("--frozen", "--platform", "linux/arm64", "--platform", "linux/amd64", "-o", "again.tar")
    assert again["digest"] == both["digest"]
    assert (fpack.home / "again.tar").read_bytes() == (fpack.home / "both.tar").read_bytes()
    # From nothing but the lock, elsewhere.
    env = {"FPACK_ROOT": str(tmp_path / "other store"), "XDG_CACHE_HOME": str(tmp_path / "other cache")}
    fpack.pack("--frozen", "--platform", "linux/amd64,linux/arm64", "-o", "other.tar", env=env)
    assert (fpack.home / "other.tar").read_bytes() == (fpack.home / "both.tar").read_bytes()


def test_a_layout_holds_both_platforms_and_a_manifest_of_each(fpack: Fpack) -> None:
    result = fpack.pack("--platform", "linux/amd64,linux/arm64", "--format", "oci-dir")
    assert result["file"] == "greet.oci"
    layout = Layout(fpack.home / "greet.oci")
    assert set(layout.platforms()) == {"linux/amd64", "linux/arm64"}
    assert sorted(Path(p).name for p in result["manifest"]) == [
        "greet.oci.amd64.manifest.json",
        "greet.oci.arm64.manifest.json",
    ]
    referrers = json.loads((fpack.home / "greet.oci/fpack-referrers.json").read_bytes())["manifests"]
    subjects = {json.loads(layout.blob(each))["subject"]["digest"] for each in referrers}
    assert subjects == {each["digest"] for each in result["platforms"]}


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_a_linked_root_has_its_own_architectures_libraries(fpack: Fpack, tmp_path: Path, arch: str) -> None:
    """What a loader of that architecture looks for is in the image, by a search that is not fpack's."""
    fpack.pack("--platform", f"linux/{arch}", "-o", "out.tar")
    entries = unpacked(fpack.home / "out.tar", tmp_path / "out").entries(f"linux/{arch}")
    machine, triplet, loader = MACHINES[arch]
    lib = f"usr/lib/{triplet}"
    assert {f"{lib}/libgreet.so.1", f"{lib}/words/libwords.so.2", f"{lib}/libc.so.6"} <= entries.keys()
    assert resolve(entries, loader) is not None
    assert ("lib64" in entries) == ("usr/lib64" in entries) == (arch == "amd64")
    assert not [path for path in entries if MACHINES["arm64" if arch == "amd64" else "amd64"][1] in path]
    programs = {path: data for path, (info, data) in entries.items() if data.startswith(b"\x7fELF")}
    assert len(programs) == 5
    assert {int.from_bytes(data[18:20], "little") for data in programs.values()} == {machine}


def resolve(entries: dict[str, tuple[tarfile.TarInfo, bytes]], path: str) -> str | None:
    """Return the file that a path leads to, through links, or None."""
    parts, done = path.strip("/").split("/"), ""
    for _ in range(100):
        if not parts:
            return done if done in entries else None
        done = posixpath.join(done, parts.pop(0))
        found = entries.get(done)
        if found is not None and found[0].issym():
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(done), found[0].linkname))
            parts, done = [*target.strip("/").split("/"), *parts], ""
    return None


def test_only_the_other_platform_is_packed_where_it_alone_is_asked_for(fpack: Fpack, tmp_path: Path) -> None:
    result = fpack.pack("--platform", "linux/arm64")
    assert result["platform"] == "linux/arm64" and result["file"] == "greet.tar"
    assert "amd64" not in (fpack.home / "fpack.lock").read_text()
    layout = unpacked(fpack.home / "greet.tar", tmp_path / "out")
    assert layout.top["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize("given", ["linux/vax", "linux/amd64,windows/amd64", ",", "arm64"])
def test_a_platform_that_there_is_not_is_an_error(fpack: Fpack, given: str) -> None:
    message = fpack.fails("pack", "--platform", given)
    assert "linux/arm64" in message and not (fpack.home / "fpack.lock").exists()


def test_several_images_say_what_they_share(fpack: Fpack) -> None:
    result = fpack.pack("#image", "#other", "-o", "images")
    first, second = result["images"]
    assert [first["file"], second["file"]] == ["images/greet.tar", "images/wave.tar"]
    held = []
    for each in (first, second):
        with tarfile.open(fpack.home / each["file"]) as opened:
            blobs = {m.name: m.size for m in opened if m.name.startswith("blobs/sha256/")}
            docker = json.loads(opened.extractfile("manifest.json").read())  # type: ignore[union-attr]
        held.append({layer: blobs[layer] for layer in docker[0]["Layers"]})
    common = held[0].keys() & held[1].keys()
    assert common
    apart = sum(first_held for each in held for first_held in each.values())
    assert result["shared"] == {
        "layers": len(common),
        "size_compressed": sum(held[0][layer] for layer in common),
        "total_compressed": apart - sum(held[0][layer] for layer in common),
        "apart_compressed": apart,
    }
    assert fpack.pack("#image", "-o", "alone.tar")["digest"] == first["digest"]
    words = fpack("pack", "#image", "#other", "-o", "images").stdout
    assert f"The images share {len(common)} layer" in words and "80:80" in words


def test_a_second_image_makes_only_the_layers_that_are_new(fpack: Fpack) -> None:
    def layers() -> set[str]:
        return {p.name for p in (fpack.home / "store/store").iterdir() if "-layer-" in p.name}

    first = fpack.pack("#image")
    before = layers()
    both = fpack.pack("#image", "#other", "-o", "images")
    second = next(each for each in both["images"] if each["digest"] != first["digest"])
    assert len(layers() - before) == second["layers"] - both["shared"]["layers"]


def test_two_images_of_one_name_are_not_written_over_one_another(fpack: Fpack) -> None:
    assert "Two images" in fpack.fails("pack", "#image", "debian.trixie.greet", "-o", "images")
    assert not (fpack.home / "images").exists()


def test_the_words_for_a_layout_are_commands_that_work(fpack: Fpack) -> None:
    words = fpack("pack", "--format", "oci-dir").stdout
    assert "podman tag $(podman pull -q oci:greet.oci:1.0) localhost/greet:1.0" in words
    # podman cannot name an image after such a directory.
    words = fpack("pack", "--format", "oci-dir", "-o", "Greet It").stdout
    assert "skopeo copy 'oci:Greet It:1.0' containers-storage:localhost/greet:1.0" in words


@pytest.mark.parametrize(
    ("user", "engine", "word"),
    [
        (1000, "podman", "--userns=keep-id --user=1000:1000"),
        (0, "podman", "--user=0:0"),
        (1000, "docker", "--user=1000:1000"),
    ],
)
def test_the_line_suits_its_caller(monkeypatch: pytest.MonkeyPatch, user: int, engine: str, word: str) -> None:
    from fpack.cli.images import formats

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "getegid", lambda: user)
    bundle = SimpleNamespace(name="go", tag="1", ports=[], runs=True, runs_shell=False, is_root=True)
    container = SimpleNamespace(ports=(), run_options=("--userns=keep-id", "-v .:/src"))
    line = formats.run(SimpleNamespace(bundle=bundle, container=container), engine)  # type: ignore[arg-type]
    assert line == f"{engine} run --rm {word} -v .:/src localhost/go:1"


@pytest.mark.parametrize(
    ("port", "is_root", "engine", "shown"),
    [
        ("53/udp", False, "podman", "--sysctl=net.ipv4.ip_unprivileged_port_start=0 "),
        ("53/udp", True, "podman", ""),
        ("53/udp", False, "docker", ""),
        ("1024", False, "podman", ""),
    ],
)
def test_the_line_lets_a_user_open_the_low_ports_of_the_image(
    port: str, is_root: bool, engine: str, shown: str
) -> None:
    from fpack.cli.images import formats

    bundle = SimpleNamespace(name="named", tag="1", ports=[port], runs=True, runs_shell=False, is_root=is_root)
    container = SimpleNamespace(ports=(), run_options=())
    line = formats.run(SimpleNamespace(bundle=bundle, container=container), engine)  # type: ignore[arg-type]
    assert line.endswith(f" {shown}localhost/named:1") and ("--sysctl" in line) == bool(shown)


@pytest.mark.parametrize("form", ["tar", "oci-dir"])
def test_the_codec_for_old_engines_is_named(fpack: Fpack, form: str) -> None:
    assert (
        "Docker before version 23 and umoci cannot read zstd: pack with --compress gzip"
        in fpack("pack", "--format", form).stdout
    )
    assert "zstd" not in fpack("pack", "--format", form, "--compress", "gzip").stdout


ENGINE = """#!/bin/sh
[ "$1 $2" = "load --quiet" ] || exit 9
exec cat >"$DOCKER_RECEIVED"
"""


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_an_image_is_loaded_through_a_pipe(fpack: Fpack, tmp_path: Path, engine: str) -> None:
    tool = command(tmp_path, engine, ENGINE)
    env = {"PATH": f"{tool}:{fpack.env['PATH']}", "DOCKER_RECEIVED": str(tmp_path / "received")}
    result = fpack.pack("--load", engine, env=env)
    assert result["loaded"] == engine and result["file"] is None
    assert [p.name for p in fpack.home.glob("greet*")] == []
    fpack.pack("--load", engine, "--no-manifest", "-o", "greet.tar", env=env)
    received = (tmp_path / "received").read_bytes()
    assert hashlib.sha256(received).digest() == hashlib.sha256((fpack.home / "greet.tar").read_bytes()).digest()
    words = fpack("pack", "--load", engine, env=env).stdout
    assert f"{engine} run --rm localhost/greet:1.0" in words and f"{engine} load" not in words


@pytest.mark.parametrize("script", ["echo no daemon >&2; exit 3", "exec cat >/dev/null", "kill -9 $$"])
def test_an_engine_that_does_not_take_it(fpack: Fpack, tmp_path: Path, script: str) -> None:
    fails = "cat" not in script
    tool = command(tmp_path, "docker", f"#!/bin/sh\n{script}\n")
    env = {"PATH": f"{tool}:{fpack.env['PATH']}"}
    done = fpack("pack", "--load", "docker", env=env, status=1 if fails else 0)
    assert ("docker did not accept the image" in done.stderr) == fails
    if "daemon" in script:
        assert "no daemon" in done.stderr


def test_an_engine_that_is_not_there(fpack: Fpack, tmp_path: Path) -> None:
    message = fpack.fails("pack", "--load", "docker", env={"PATH": str(tmp_path)})
    assert "docker is not installed" in message and not (fpack.home / "fpack.lock").exists()


def command(folder: Path, name: str, script: str) -> Path:
    """Return a directory with one command."""
    tool = folder / "tools"
    tool.mkdir()
    (tool / name).write_text(script)
    (tool / name).chmod(0o755)
    return tool
