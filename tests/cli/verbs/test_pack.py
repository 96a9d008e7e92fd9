"""Packing from end to end, over a small signed archive: what comes out, how often, and that it is always the same."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from support.archives.archive import Archive, file
from support.fixtures import archive as archive
from support.fixtures import new_user as new_user
from support.processes.people import public_directory
from support.processes.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  packages = [debian.hello]
  closure = "linked"
  wants = ["/usr/share/greet/words"]
  entrypoint = ["/usr/bin/hello"]
  env = { GREETING = "hi" }
  files = { "/srv/app/main.sh" = ./main.sh, "/etc/motd" = { text = "welcome", mode = "0600", uid = 7, gid = 8 } }
  directories = { "/srv/data" = { mode = "0700", uid = 999, gid = 999 } }
  ports = [8000]
  volumes = ["/srv/data"]
  labels = { a = "b" }
  workdir = "/srv"
  user = "nobody"
  stop-signal = "SIGINT"
}
"""


@pytest.fixture
def project(fpack: Fpack) -> Path:
    place = fpack.home / "project"
    place.mkdir()
    (place / "fpack.fp").write_text(PROJECT)
    (place / "main.sh").write_text("#!/bin/sh\n")
    (place / "main.sh").chmod(0o755)
    return place


def blobs(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as file:
        return {m.name: file.extractfile(m).read() for m in file if m.isfile()}  # type: ignore[union-attr]


def manifest_of(files: dict[str, bytes]) -> tuple[dict, dict]:
    def blob(digest: str) -> bytes:
        data = files["blobs/sha256/" + digest.partition(":")[2]]
        assert "sha256:" + hashlib.sha256(data).hexdigest() == digest
        return data

    index = json.loads(files["index.json"])
    (entry,) = index["manifests"]
    manifest = json.loads(blob(entry["digest"]))
    return manifest, json.loads(blob(manifest["config"]["digest"]))


def contents(files: dict[str, bytes]) -> dict[str, tarfile.TarInfo]:
    manifest, config = manifest_of(files)
    found = {}
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        data = files["blobs/sha256/" + layer["digest"].partition(":")[2]]
        assert layer["size"] == len(data)
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        assert "sha256:" + hashlib.sha256(raw).hexdigest() == diff_id
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            found.update({m.name.rstrip("/"): m for m in tar})
    return found


def test_a_package_is_packed_with_what_it_depends_on_and_no_more(fpack: Fpack) -> None:
    result = fpack.pack("debian.trixie.hello")
    files = blobs(fpack.home / "hello.tar")
    assert Path(result["file"]).name == "hello.tar"
    entries = contents(files)
    assert {"usr/bin/hello", "usr/bin/dash", "usr/share/greet/words", "usr/lib/os-release"} <= set(entries)
    assert "usr/share/man/man1/hello.1" not in entries
    assert "usr/share/doc/hello/copyright" in entries
    assert entries["usr/bin/hello"].mode == 0o755 and entries["usr/share/greet/words"].mode == 0o644
    assert {e.uid for e in entries.values()} == {0}
    manifest, config = manifest_of(files)
    assert config["config"]["Entrypoint"] == ["/usr/bin/hello"]
    assert result["image_id"] == manifest["config"]["digest"]
    assert result["size_compressed"] == sum(layer["size"] for layer in manifest["layers"])
    status = [name for name in entries if name.startswith("var/lib/dpkg/status.d/")]
    assert len(status) >= 4 and all(entries[name].isreg() or entries[name].isdir() for name in status)


def test_the_words_for_people_name_the_digest_and_how_to_run_it(fpack: Fpack) -> None:
    done = fpack("pack", "debian.trixie.hello")
    digest = fpack.pack("debian.trixie.hello")["digest"]
    assert digest in done.stdout and "podman load -i hello.tar" in done.stdout and "podman run" in done.stdout
    assert "locked" in done.stderr
    assert "  origin of each file: hello.manifest.json\n" in done.stdout


def test_a_package_that_has_a_curated_image_points_to_it(tmp_path: Path) -> None:
    archive = world(tmp_path / "archive")
    archive.add("redis-server", files={"usr/bin/redis-server": file(b"a program", 0o755)})
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    assert "fpack pack redis packs the curated image" in fpack("pack", "debian.trixie.redis-server").stderr
    assert "curated" not in fpack("pack", "debian.trixie.hello").stderr


def test_a_package_without_a_main_program_tells_how_to_choose_one(tmp_path: Path) -> None:
    archive = world(tmp_path / "archive")
    tools = {f"usr/bin/{name}": file(b"a program", 0o755) for name in ("one", "two", "sh")}
    archive.add("tools", files=tools)
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    told = fpack("pack", "debian.trixie.tools").stdout
    why = "no entrypoint, because tools has /usr/bin/one, /usr/bin/sh, /usr/bin/two; the command is /usr/bin/sh"
    assert f"  {why}; --entrypoint PROGRAM chooses one\n" in told
    assert "podman run --rm -it localhost/tools:" in told, "without a terminal, the shell ends at once"
    assert fpack.pack("debian.trixie.tools")["notes"] == [why]
    told = fpack("pack", "debian.trixie.tools", "--entrypoint", "/usr/bin/two").stdout
    assert "podman run --rm localhost/tools:" in told and "no entrypoint" not in told


def test_the_ports_are_published_by_the_command_that_is_shown(fpack: Fpack, project: Path) -> None:
    (project / "fpack.fp").write_text(PROJECT.replace("[8000]", '[8000, "53/udp"]'))
    shown = fpack("pack", cwd=project).stdout
    assert "podman run --rm -p 8000:8000 -p 53:53/udp --sysctl=net.ipv4.ip_unprivileged_port_start=0" in shown


def test_options_replace_or_complete_what_a_container_says(fpack: Fpack, project: Path) -> None:
    fpack.pack(
        *("--entrypoint", "/usr/bin/hello --to 'the world'", "--command", "-v", "--user", "0", "--port", "53/udp"),
        *("--env", "A=${x} b=c", "--env", "GREETING=hello", "--volume", "/data"),
        cwd=project,
    )
    settings = manifest_of(blobs(project / "greeter.tar"))[1]["config"]
    assert settings["Entrypoint"] == ["/usr/bin/hello", "--to", "the world"] and settings["Cmd"] == ["-v"]
    assert settings["User"] == "0:0" and settings["ExposedPorts"] == {"8000/tcp": {}, "53/udp": {}}
    assert {"A=${x} b=c", "GREETING=hello"} <= set(settings["Env"])
    assert settings["Volumes"] == {"/srv/data": {}, "/data": {}}
    for wrong in (["--entrypoint", "a 'b"], ["--env", "A"], ["--env", "=b"], ["--port", "x"], ["--volume", "data"]):
        done = fpack("pack", *wrong, cwd=project, status=None)
        assert done.returncode in (1, 2) and "error: " in done.stderr and "bug" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--user", "1000:abc", "The image has no group 'abc'"),
        ("--user", "abc", "The image has no user 'abc'"),
        ("--entrypoint", "/usr/bin/abc", "abc"),
        ("--volume", "/usr/share/greet/words", "is not a directory"),
    ],
)
def test_an_error_that_only_the_image_shows_names_the_option(
    fpack: Fpack, project: Path, option: str, value: str, what: str
) -> None:
    told = fpack.fails("pack", option, value, cwd=project)
    assert what in told and f"where: {option}\n" in told


def test_a_project_decides_everything(fpack: Fpack, project: Path) -> None:
    result = fpack.pack(cwd=project)
    assert result["name"] == "greeter" and (project / "greeter.tar").exists() and (project / "fpack.lock").exists()
    files = blobs(project / "greeter.tar")
    _, config = manifest_of(files)
    settings = config["config"]
    assert settings["Entrypoint"] == ["/usr/bin/hello"]
    assert "GREETING=hi" in settings["Env"] and any(e.startswith("PATH=") for e in settings["Env"])
    assert settings["ExposedPorts"] == {"8000/tcp": {}} and settings["Volumes"] == {"/srv/data": {}}
    assert settings["WorkingDir"] == "/srv" and settings["StopSignal"] == "SIGINT" and settings["Labels"]["a"] == "b"
    assert settings["User"].partition(":")[0] == "65534"
    entries = contents(files)
    assert (entries["etc/motd"].mode, entries["etc/motd"].uid, entries["etc/motd"].gid) == (0o600, 7, 8)
    assert (entries["srv/data"].mode, entries["srv/data"].uid) == (0o700, 999)
    assert entries["srv/app/main.sh"].mode == 0o755
    # Linked: the script's shell and what was requested by name, not the rest.
    assert {"usr/bin/dash", "usr/share/greet/words"} <= set(entries)
    assert "usr/share/base-files/motd" not in entries


def test_a_second_pack_builds_nothing_and_a_lock_needs_no_index(fpack: Fpack, project: Path) -> None:
    first = fpack.pack(cwd=project)
    nowhere = {"FPACK_MIRROR": "debian=file:///nowhere only", "XDG_CACHE_HOME": str(fpack.home / "other-cache")}
    done = fpack("pack", "--json", "-v", "--frozen", cwd=project, env=nowhere)
    assert json.loads(done.stdout)["digest"] == first["digest"]
    assert done.stderr == ""


def test_a_change_of_the_configuration_rebuilds_no_layer_but_its_own(fpack: Fpack, project: Path) -> None:
    first = fpack.pack(cwd=project)
    (project / "fpack.fp").write_text(PROJECT.replace('"hi"', '"hello"'))
    done = fpack("pack", "--json", "-v", cwd=project)
    assert json.loads(done.stdout)["digest"] != first["digest"]
    assert "compress" not in done.stderr and "unpack" not in done.stderr


def test_the_project_overrides_a_curated_name_and_other_names_are_suggested(fpack: Fpack, project: Path) -> None:
    (project / "fpack.fp").write_text(PROJECT + "\npostgres = image\n")
    assert fpack.pack("postgres", cwd=project)["name"] == "greeter"
    assert "did you mean `postgres`" in fpack.fails("pack", "postgrs", cwd=project)
    assert "fpack search nonesuch" in fpack.fails("pack", "nonesuch", cwd=project)


def test_a_curated_package_has_its_own_files_within_a_project_too(tmp_path: Path, project: Path) -> None:
    archive = world(tmp_path / "archive")
    for name in ("redis-server", "redis-tools"):
        archive.add(name, files={f"usr/bin/{name}": "a program"})
    archive.publish()
    fpack = Fpack(tmp_path / "other", archive)
    files = json.loads(fpack("eval", "redis.image.files", "--json", cwd=project).stdout)
    assert files["/usr/local/bin/docker-entrypoint.sh"]["path"].endswith("/pkgs/redis/entrypoint.sh")


def test_an_update_moves_what_is_built_from_a_source_and_nothing_else(tmp_path: Path) -> None:
    archive = world(tmp_path / "archive")
    for name in ("libwave1", "wave-data"):
        archive.add(name, "1.0", fields={"Source": "wave"})
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    for name in ("libwave1", "wave-data", "hello"):
        fpack("lock", f"debian.trixie.{name}")
    for name in ("libwave1", "wave-data"):
        archive.add(name, "1.1", fields={"Source": "wave"}, suite="trixie-updates")
    archive.add("hello", "3.0", depends="dash", suite="trixie-updates")
    archive.publish(keep_old=True)
    moved = json.loads(fpack("update", "-p", "wave", "--json").stdout)["moved"]
    assert {(each["name"], each["new"]) for each in moved} == {("libwave1", "1.1"), ("wave-data", "1.1")}
    assert {each["name"] for each in json.loads(fpack("update", "--json").stdout)["moved"]} >= {"hello"}


def test_eval_build_size_why_and_lock(fpack: Fpack, project: Path) -> None:
    (project / "fpack.fp").write_text(PROJECT + '\nnote = text("note", "hello ${1 + 1}")\nnumber = 6 * 7\n')
    assert fpack("eval", "#number", cwd=project).stdout == "42\n"
    assert json.loads(fpack("eval", "#image.name", "--json", cwd=project).stdout) == "greeter"
    assert fpack("eval", "-e", '"a" + "b"').stdout == "ab\n"
    path = fpack("build", "#note", cwd=project).stdout.strip()
    assert path.startswith("/fpack/store/") and (project / "result").read_text() == "hello 2"
    lines = fpack("size", cwd=project).stdout.splitlines()
    assert "compressed" in lines[0] and "total" in lines[-1]
    why = fpack("why", "#image", "dash", cwd=project).stdout
    assert "hello" in why and "/usr/bin/hello" in why and "/bin/sh" in why
    assert "dash" in fpack("why", "#image", cwd=project).stdout
    assert "/usr/bin/sh" in fpack("why", "#image", "/bin/sh", cwd=project).stdout
    assert "files of libgreet1" in fpack.fails("why", "#image", "/usr/share/greet/", cwd=project)
    assert "did you mean" in fpack.fails("why", "#image", "dish", cwd=project)
    assert "everything" in fpack("lock", cwd=project).stdout or "has" in fpack("lock", cwd=project).stdout
    assert "up to date" in fpack("update", cwd=project).stdout
    assert "did you mean `libgreet1`" in fpack.fails("update", "-p", "libgreet", cwd=project)
    assert "the lock has trixie" in fpack.fails("update", "bookworm", cwd=project)
    (project / "fpack.lock").unlink()
    assert "Nothing is locked" in fpack("update", cwd=project).stdout


def test_an_oci_directory(fpack: Fpack, tmp_path: Path) -> None:
    result = fpack.pack("debian.trixie.hello", "--format", "oci-dir", "-o", tmp_path / "layout")
    assert json.loads((tmp_path / "layout" / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert fpack.pack("debian.trixie.hello")["digest"] == result["digest"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").write_text("x")
    fpack.fails("pack", "debian.trixie.hello", "--format", "oci-dir", "-o", tmp_path / "other")
    assert (tmp_path / "other" / "precious").read_text() == "x"


@pytest.mark.parametrize("codec", ["gzip", "gzip:9", "none", "zstd:3"])
def test_codecs_change_the_digest_but_not_the_image_id(fpack: Fpack, codec: str) -> None:
    default = fpack.pack("debian.trixie.hello")
    other = fpack.pack("debian.trixie.hello", "--compress", codec, "-o", "other.tar")
    assert other["image_id"] == default["image_id"]
    assert other["digest"] != default["digest"] or codec == "zstd:3"


def test_gc_keeps_what_a_result_needs(fpack: Fpack, project: Path) -> None:
    fpack("build", cwd=project)
    assert json.loads(fpack("gc", "--json").stdout)["kept"] > 3
    target = (project / "result").resolve()
    assert target.exists()
    (project / "result").unlink()
    done = json.loads(fpack("gc", "--json").stdout)
    assert done["kept"] == 0 and done["freed"] > 0 and not target.exists()
    fpack.pack(cwd=project)


# The same digest, whatever differs around it.


def digest_of(fpack: Fpack, project: Path, *args: str, **options: object) -> str:
    digest = fpack.pack(*args, "-o", fpack.home / "out.tar", cwd=project, **options)["digest"]
    assert isinstance(digest, str)
    return digest


def test_the_digest_is_the_same_whatever_differs(fpack: Fpack, archive: Archive, project: Path, tmp_path: Path) -> None:
    expected = digest_of(fpack, project)
    assert digest_of(fpack, project) == expected, "twice in a row"
    for name, env in {
        "another root": {},
        "time zone and language": {"TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C"},
        "hash seed": {"PYTHONHASHSEED": "7"},
        "another hash seed": {"PYTHONHASHSEED": "11"},
    }.items():
        env = {**env, "FPACK_ROOT": str(tmp_path / name), "XDG_CACHE_HOME": str(tmp_path / "cache" / name)}
        assert digest_of(fpack, project, env=env) == expected, name
    for jobs in ("1", "2"):
        env = {"FPACK_ROOT": str(tmp_path / f"jobs {jobs}")}
        assert digest_of(fpack, project, "-j", jobs, env=env) == expected, f"{jobs} jobs"
    masked = Fpack(fpack.home, archive, prefix=("sh", "-c", 'umask 077; exec "$@"', "sh"))
    env = {"FPACK_ROOT": str(tmp_path / "umask")}
    assert digest_of(masked, project, env=env) == expected, "umask"
    out = fpack.home / "out.tar"
    assert hashlib.sha256(out.read_bytes()).digest(), "an archive was written"
    # The file too is the same, not only the image in it.
    first = hashlib.sha256(out.read_bytes()).hexdigest()
    digest_of(fpack, project)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_digest_is_the_same_for_an_unprivileged_user(fpack: Fpack, archive: Archive, project: Path) -> None:
    expected = digest_of(fpack, project)
    with public_directory("pack") as place:
        shutil.copytree(archive.folder, place / "archive")
        shutil.copytree(project, place / "project", ignore=shutil.ignore_patterns("*.tar"))
        subprocess.run(["chmod", "-R", "a+rX", str(place)], check=True)
        subprocess.run(["chown", "-R", "65534:65534", str(place / "project"), str(place)], check=True)
        user = Fpack(place / "home", None, prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        os.chown(place / "home", 65534, 65534)
        user.env["FPACK_KEYRING"] = str(place / "archive" / "keyring.pgp")
        user.env["FPACK_MIRROR"] = archive.mirror_at((place / "archive").as_uri())
        reachable = subprocess.run(user.command("--version"), env=user.env, cwd=place, capture_output=True)
        if reachable.returncode:
            pytest.skip("the Python that fpack is installed in is not readable for others")
        assert digest_of(user, place / "project") == expected


@pytest.mark.skipif(shutil.which("disorderfs") is None, reason="disorderfs is not installed")
def test_the_digest_is_the_same_in_any_directory_order(fpack: Fpack, project: Path, tmp_path: Path) -> None:
    expected = digest_of(fpack, project)
    (tmp_path / "back").mkdir()
    (tmp_path / "front").mkdir()
    options = ["--shuffle-dirents=yes", "--multi-user=no"]
    mounted = subprocess.run(["disorderfs", "-q", *options, str(tmp_path / "back"), str(tmp_path / "front")])
    if mounted.returncode:
        pytest.skip("disorderfs cannot mount here")
    try:
        assert digest_of(fpack, project, env={"FPACK_ROOT": str(tmp_path / "front" / "store")}) == expected
    finally:
        subprocess.run(["fusermount", "-u", str(tmp_path / "front")], check=True)


def test_every_file_of_a_payload_has_the_bytes_of_its_package(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    fpack.pack("debian.trixie.hello")
    files = blobs(fpack.home / "hello.tar")
    manifest, _ = manifest_of(files)
    for deb in (archive.folder / "debian").rglob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(tmp_path / "debs")], check=True)
    checked = 0
    for layer in manifest["layers"]:
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(
            files["blobs/sha256/" + layer["digest"].partition(":")[2]]
        )  # fmt: skip
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            for member in tar:
                original = tmp_path / "debs" / member.name
                if member.isreg() and original.is_file() and not original.is_symlink():
                    assert tar.extractfile(member).read() == original.read_bytes(), member.name  # type: ignore[union-attr]
                    checked += 1
    assert checked >= 6


def test_what_is_built_is_packed_without_a_container(project: Path, fpack: Fpack) -> None:
    with open(project / "fpack.fp", "a") as written:
        written.write('words = text("Words_of-1.0.txt", "good day")\n')
    told = fpack("pack", "words", cwd=project).stdout
    assert "podman run --rm localhost/words-of-1.0.txt:latest PROGRAM" in told
    members = contents(blobs(project / "words-of-1.0.txt.tar"))
    assert [name for name in members if name.endswith("Words_of-1.0.txt") and name.startswith("fpack/store/")]
    whole = fpack.pack("fpack.fp#image", "-o", project / "whole.tar", cwd=project)
    made = fpack.pack("fpack.fp#image.image", "-o", project / "image.tar", cwd=project)
    assert made["digest"] == whole["digest"]
    fpack("pack", "fpack.fp#image.root", "-o", "root.tar", cwd=project)
    assert fpack("size", "words", cwd=project).stdout


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("other:2.0", "other:2.0"),
        ("team/other", "team/other:2.10-3"),
        (":2.0", "greeter:2.0"),
        ("h.example:5/a:b", "h.example:5/a:b"),
    ],
)
def test_an_image_gets_another_name_and_tag(fpack: Fpack, project: Path, given: str, names: str) -> None:
    name = names.rpartition(":")[0]
    said = fpack("pack", "-t", given, cwd=project).stdout
    assert said.startswith(f"{names}  sha256:")
    assert (project / f"{name.rpartition('/')[2]}.tar").is_file()


def test_a_name_that_no_image_can_have_names_its_option(fpack: Fpack, project: Path) -> None:
    for wrong in ("Upper:1", "a:b c", "a:", ":", ""):
        done = fpack("pack", "--tag", wrong, cwd=project, status=None)
        assert done.returncode == 2 and "error: --tag: " in done.stderr, wrong
    done = fpack("pack", "--tag", "a:1", "debian.trixie.hello", "debian.trixie.greet", status=None)
    assert done.returncode == 2 and "--tag names one image" in done.stderr
