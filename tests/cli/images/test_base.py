"""Containers that stand on images of a registry: merged files, accounts and settings, what is refused, verification."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.images import bases
from support.processes.program import Fpack, world
from support.reports.vulnerabilities import entry, state
from support.servers.registry import Registry, digest_of

PROJECT = """
debian = import("fpack/debian").trixie
image = container {{
  name = "app"
  base = oci("{base}"{hides})
  {more}
}}
"""


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    archive = world(tmp_path_factory.mktemp("archive"))
    return Fpack(tmp_path_factory.mktemp("user") / "home", archive)


@pytest.fixture
def project(fpack: Fpack, tmp_path: Path) -> Path:
    return tmp_path


def write(project: Path, base: str, more: str = "", hides: str = "") -> Path:
    (project / "fpack.fp").write_text(PROJECT.format(base=base, more=more, hides=hides))
    return project


def documents(tar: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """Return the manifest, the configuration and all blobs of an image."""
    with tarfile.open(tar) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    blobs = {name.replace("blobs/sha256/", "sha256:"): data for name, data in files.items()}
    (top,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blobs[top["digest"]])
    return manifest, json.loads(blobs[manifest["config"]["digest"]]), blobs


def own_files(tar: Path, below: int) -> dict[str, tarfile.TarInfo]:
    """Return the entries of the layers above the base's."""
    import io

    import zstandard

    manifest, _, blobs = documents(tar)
    found = {}
    for layer in manifest["layers"][below:]:
        data = zstandard.ZstdDecompressor().stream_reader(blobs[layer["digest"]]).read()
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found |= {info.name: info for info in archive if not info.isdir()}
    return found


FILES = 'packages = []\n  files = { "/srv/app" = { text = "hello" } }'


def test_the_layers_of_the_base_come_first_and_unchanged(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    fpack("pack", cwd=write(project, base, FILES))
    manifest, config, blobs = documents(project / "app.tar")
    theirs = json.loads(registry.stored("team/base").manifests[base.partition("@")[2]][1])
    assert [layer["digest"] for layer in manifest["layers"][:2]] == [layer["digest"] for layer in theirs["layers"]]
    for layer in theirs["layers"]:
        assert digest_of(blobs[layer["digest"]]) == layer["digest"]
    assert {layer["mediaType"].partition("+")[0] for layer in manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar"
    }
    assert manifest["annotations"] == {
        "org.opencontainers.image.base.name": base.partition("@")[0],
        "org.opencontainers.image.base.digest": base.partition("@")[2],
    }
    assert own_files(project / "app.tar", 2).keys() == {"srv/app"}
    assert config["config"]["Env"] == ["BASE=1", "PATH=/opt/bin:/usr/bin:/bin"]
    assert config["config"]["Cmd"] == ["/usr/bin/busy"]
    assert len(config["history"]) == len(manifest["layers"])
    for image in ("app.tar", "#image"):
        parts = json.loads(fpack("size", "--json", image, cwd=project).stdout)["layers"]
        assert [part["own"] for part in parts[:2]] == [["from the base"]] * 2, image


def test_an_audit_says_that_the_packages_of_the_base_are_not_known(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    base = bases.push(registry)
    fpack("pack", cwd=write(project, base, FILES))
    (project / "tracker.json").write_text(json.dumps({"openssl": {"CVE-2026-0001": entry(trixie=state())}}))
    done = fpack("audit", "app.tar", "--data", "tracker.json", "--json", cwd=project, status=6)
    assert f"the packages of the base {base} are not known" in done.stdout


def test_verify_knows_the_base(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, index=True, platforms=("amd64", "arm64"))
    fpack("pack", cwd=write(project, base, FILES))
    done = fpack("verify", "app.tar", cwd=project)
    assert f"in the layers of the base {base}" in done.stdout
    assert "self-consistent" in done.stdout
    found = json.loads(fpack("verify", "app.tar", "--json", "--strict", cwd=project, status=1).stdout)
    assert not found["differences"] and not found["unchecked"]
    others = {entry["path"]: entry for entry in found["images"][0]["others"]}
    assert others["/srv/kept"]["origin"] == "base"
    assert "/srv/old/gone" not in others  # a whiteout of the base deletes it
    assert others["/srv/app"]["origin"] == "files"


def test_packages_leave_to_the_base_what_it_has_and_add_the_rest(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    """dash of the archive has the same /usr/bin/sh; /bin is a link of the base; whiteouts show what is below."""
    base = bases.push(registry)
    fpack("pack", cwd=write(project, base, "packages = [debian.dash, debian.libgreet1]"))
    found = own_files(project / "app.tar", 2)
    assert {"usr/bin/dash", "usr/share/greet/words"} <= found.keys()
    assert not {"usr/bin/sh", "bin", "etc/passwd", "etc/os-release", "usr/share/base-files/motd"} & found.keys()
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout
    manifest = json.loads((project / "app.manifest.json").read_text())
    (left_out,) = [row for layer in manifest["layers"] for row in layer["excluded"] if row["reason"] == "base"]
    assert left_out["path"] == "usr/bin/sh"
    assert left_out["by"] == manifest["layers"][0]["digest"]
    assert manifest["base"]["name"] == base
    assert [1, "srv/.wh.old"] in manifest["base"]["whiteouts"]


@pytest.mark.parametrize(
    ("layer", "origins"),
    [
        ({"usr/bin/sh": b"another"}, ["/usr/bin/sh of the package dash", "/usr/bin/sh of layer 2 (sha256:"]),
        ({"usr/bin/dash": None}, ["/usr/bin/dash of the package dash", "/usr/bin/dash of layer 2 (sha256:"]),
        ({"usr": "other"}, ["of the package dash lies below /usr of layer 2 (sha256:", "a symlink to other"]),
    ],
)
def test_what_would_be_hidden_is_refused_with_both_origins(
    fpack: Fpack, registry: Registry, project: Path, layer: Any, origins: list[str]
) -> None:
    base = bases.push(registry, layers=[{"etc/passwd": bases.PASSWD.encode()}, layer])
    message = fpack.fails("pack", cwd=write(project, base, "packages = [debian.dash]"))
    assert all(text in message for text in origins), message


def test_the_containers_own_files_hide_what_they_may(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    own = 'packages = []\n  files = { "/srv/kept" = { text = "mine" } }'
    message = fpack.fails("pack", cwd=write(project, base, own))
    assert "/srv/kept of the configuration's files would hide /srv/kept of layer 2 (sha256:" in message
    assert 'hides = ["/srv/kept"]' in message
    fpack("pack", cwd=write(project, base, own, hides=', hides = ["/srv/*"]'))
    assert "srv/kept" in own_files(project / "app.tar", 2)
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout
    manifest = json.loads((project / "app.manifest.json").read_text())
    assert manifest["base"]["hidden"] == ["srv/kept"]


def content(tar: Path, path: str, below: int = 2) -> str:
    import io

    import zstandard

    manifest, _, blobs = documents(tar)
    for layer in manifest["layers"][below:]:
        data = zstandard.ZstdDecompressor().stream_reader(blobs[layer["digest"]]).read()
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            if path in archive.getnames():
                return archive.extractfile(path).read().decode()  # type: ignore[union-attr]
    raise AssertionError(path)


USER = 'packages = []\n  user = "app"\n  users = {{ {} }}'


def test_accounts_are_merged(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    fpack("pack", cwd=write(project, base, USER.format("app = { uid = 1000 }")))
    assert content(project / "app.tar", "etc/passwd") == (
        bases.PASSWD + "app:*:1000:1000::/nonexistent:/usr/sbin/nologin\n"
    )
    assert content(project / "app.tar", "etc/group") == bases.GROUP + "app:*:1000:\n"
    assert documents(project / "app.tar")[1]["config"]["User"] == "1000:1000"
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout


def test_an_account_of_the_base_serves(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, settings={"User": "www"})
    fpack("pack", cwd=write(project, base, FILES))
    assert documents(project / "app.tar")[1]["config"]["User"] == "33:33"
    assert "etc/passwd" not in own_files(project / "app.tar", 2)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("www = { uid = 1000 }", "The group www has the number 1000 in the container, and 33 in the base"),
        ("app = { uid = 33 }", "have the same number"),
    ],
)
def test_accounts_that_contradict_each_other(
    fpack: Fpack, registry: Registry, project: Path, user: str, message: str
) -> None:
    base = bases.push(registry)
    more = USER.format(user).replace('"app"', '"www"' if user.startswith("www") else '"app"')
    assert message in fpack.fails("pack", cwd=write(project, base, more))


def test_links_serve_where_the_base_has_not_merged_usr(fpack: Fpack, registry: Registry, project: Path) -> None:
    layer = {"bin/busy": b"\x7fbusy", "lib/ld": b"loader", "etc/passwd": bases.PASSWD.encode()}
    base = bases.push(registry, layers=[layer], settings={"Cmd": ["/bin/busy"]})
    fpack("pack", cwd=write(project, base, "packages = [debian.dash]"))
    found = own_files(project / "app.tar", 1)
    assert found["bin/dash"].linkname == "/usr/bin/dash" and found["bin/sh"].linkname == "/usr/bin/sh"
    assert "bin" not in found and "bin/busy" not in found


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({"Entrypoint": ["/usr/bin/busy"], "Cmd": ["a"]}, "", {"Entrypoint": ["/usr/bin/busy"], "Cmd": ["a"]}),
        ({"Entrypoint": ["/bin/box"], "Cmd": ["a"]}, 'command = ["b"]', {"Entrypoint": ["/bin/box"], "Cmd": ["b"]}),
        ({"Cmd": ["a"]}, 'entrypoint = ["/usr/bin/box"]', {"Entrypoint": ["/usr/bin/box"], "Cmd": None}),
        ({"WorkingDir": "/srv/"}, "", {"WorkingDir": "/srv"}),
        ({"ExposedPorts": {"80/tcp": {}}}, "ports = [90]", {"ExposedPorts": {"80/tcp": {}, "90/tcp": {}}}),
        ({"Labels": {"a": "1", "b": "1"}}, 'labels = { b = "2" }', {"Labels": {"a": "1", "b": "2"}}),
        ({"Env": ["A=1", "B=1", "PATH=/a"]}, 'env = { B = "2" }', {"Env": ["A=1", "B=2", "PATH=/a"]}),
        ({"Volumes": {"/srv/": {}}}, "", {"Volumes": {"/srv": {}}}),
        ({"StopSignal": "SIGQUIT"}, "", {"StopSignal": "SIGQUIT"}),
        (
            {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 1500000000}},
            "",
            {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 1500000000}},
        ),
        ({"OnBuild": ["RUN x"], "Shell": ["/bin/sh"]}, "", {"OnBuild": None, "Shell": None}),
    ],
)  # fmt: skip
def test_settings_are_merged(
    fpack: Fpack, registry: Registry, project: Path, theirs: Any, ours: str, expected: Any
) -> None:
    base = bases.push(registry, settings=theirs)
    fpack("pack", "--no-manifest", cwd=write(project, base, f"{FILES}\n  {ours}"))
    config = documents(project / "app.tar")[1]["config"]
    assert {name: config.get(name) for name in expected} == expected


def test_a_tag_without_a_digest_is_an_error_that_says_the_digest(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    base = bases.push(registry)
    message = fpack.fails("pack", cwd=write(project, base.partition("@")[0], FILES))
    assert f'oci("{base}")' in message


def test_an_index_without_the_platform_says_which_it_has(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, index=True, platforms=("arm64", "s390x"))
    message = fpack.fails("pack", cwd=write(project, base, FILES))
    assert "no image for linux/amd64" in message and "linux/arm64, linux/s390x" in message
    fpack("pack", "--platform", "linux/arm64", cwd=project)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"../escape": b""}, "not in its shortest form"),
        ({"a": bases.hard_link("a", "nowhere")}, "a hard link to what is not a file of the same layer"),
        ({"a": b"", "./a": b""}, "it occurs twice in one layer"),
        ({"srv/disk": bases.device("srv/disk")}, "it is a device"),
    ],
)
def test_hostile_layers_are_refused(fpack: Fpack, registry: Registry, project: Path, layer: Any, message: str) -> None:
    base = bases.push(registry, layers=[layer])
    assert message in fpack.fails("pack", cwd=write(project, base, FILES))


def test_devices_below_dev_are_left_to_the_engine(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, layers=[{**bases.BASE, "dev/console": bases.device("dev/console")}])
    fpack("pack", cwd=write(project, base, FILES))
    done = json.loads(fpack("verify", "app.tar", "--json", cwd=project).stdout)
    assert done["differences"] == []


def test_a_corrupt_layer_is_refused(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, layers=[{"srv/unique": b"only here\n"}])
    registry.corrupt("GET .*/blobs/")
    fpack.fails("pack", cwd=write(project, base, FILES))


def test_an_image_of_fpack_is_a_base_whose_store_paths_are_shared(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    """The base has the built path already; the container on it has the same one, and no layer for it."""
    (project / "tool").write_text("a tool\n")
    (project / "fpack.fp").write_text(
        """
image = container {
  name = "lower", tag = "1", packages = [], closure = "linked", env = { TOOL = "${./tool}" }
  files = { "/srv/lower" = { text = "lower" } }
}
"""
    )
    fpack("pack", "--no-manifest", cwd=project)
    manifest, _, blobs = documents(project / "lower.tar")
    stored = registry.stored("team/lower")
    stored.blobs |= blobs
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    stored.manifests[digest_of(data)] = (manifest["mediaType"], data)
    base = f"{registry.host}/team/lower@{digest_of(data)}"
    more = 'packages = []\n  env = { TOOL = "${./tool}" }\n  files = { "/srv/app" = { text = "app" } }'
    fpack("pack", cwd=write(project, base, more))
    assert own_files(project / "app.tar", len(manifest["layers"])).keys() == {"srv/app"}
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout


def test_a_changed_layer_of_the_base_is_found(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    fpack("pack", "--format", "oci-dir", cwd=write(project, base, FILES))
    layer = json.loads((project / "app.oci.manifest.json").read_text())["layers"][0]["digest"]
    blob = project / "app.oci/blobs/sha256" / layer.removeprefix("sha256:")
    import gzip

    blob.write_bytes(gzip.compress(gzip.decompress(blob.read_bytes()).replace(b"\x7fbusy", b"\x7fevil"), 1, mtime=0))
    done = fpack("verify", "app.oci", cwd=project, status=1)
    assert "DIFFERS" in done.stdout and "usr/bin/busy" in done.stdout


def test_formats_that_unpack_layers_refuse_a_base(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    message = fpack.fails("pack", "--format", "rootfs-tar", cwd=write(project, base, FILES))
    assert "with a base cannot be packed as rootfs" in message


def test_scripts_do_not_run_on_a_base(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry)
    message = fpack.fails("pack", cwd=write(project, base, "packages = [debian.dash]\n  configure = true"))
    assert "Maintainer scripts do not run on a base" in message


def test_a_layer_is_downloaded_once(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, layers=[bases.BASE, {"srv/once": b"once\n"}])
    write(project, base, FILES)
    fpack("pack", cwd=project)
    layers = json.loads(registry.stored("team/base").manifests[base.partition("@")[2]][1])["layers"]
    assert registry.count("GET", layers[1]["digest"]) == 1
    registry.clear()
    write(project, base, FILES.replace("hello", "other"))
    fpack("pack", cwd=project)
    assert not registry.requests


@pytest.mark.parametrize("mounts", [True, False])
def test_a_push_sends_no_layer_of_a_base_that_the_registry_has(fpack: Fpack, project: Path, mounts: bool) -> None:
    """The list of a layer is made in one read; the layer is then mounted, or copied if the registry cannot mount."""
    with Registry(mounts=mounts) as registry:
        base = bases.push(registry, layers=[bases.BASE, {"srv/mounted": b"%d\n" % mounts}])
        reference = f"{registry.host}/team/app:1"
        fpack("pack", "--push", reference, "--plain-http", cwd=write(project, base, FILES))
        theirs = json.loads(registry.stored("team/base").manifests[base.partition("@")[2]][1])["layers"]
        own = registry.stored("team/app")
        assert {layer["digest"] for layer in theirs} <= own.blobs.keys()
        reads = registry.count("GET", theirs[1]["digest"])
        assert reads == (1 if mounts else 2)
        assert "self-consistent" in fpack("verify", reference, "--plain-http").stdout


def test_git_and_the_time_are_in_the_documents_alone(fpack: Fpack, project: Path) -> None:
    import subprocess

    (project / "fpack.fp").write_text(
        'image = container { name = "app", tag = "1", packages = [], closure = "linked", annotations = { a = "b" } }'
    )
    fpack("pack", cwd=project)
    plain, _, _ = documents(project / "app.tar")
    assert plain["annotations"] == {"a": "b"}
    assert "not in a git repository" in fpack.fails("pack", "--git", cwd=project)
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "fpack.fp"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://me:secret@git.example/a.git"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    fpack("pack", "--git", "--source-date", cwd=project, env={"SOURCE_DATE_EPOCH": "1700000000"})
    made, config, _ = documents(project / "app.tar")
    assert made["annotations"] == {
        "a": "b",
        "org.opencontainers.image.revision": head,
        "org.opencontainers.image.source": "https://git.example/a.git",
    }
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert made["layers"] == plain["layers"]
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout


DATABASES: dict[str, bases.Member] = {
    "etc/os-release": bases.os_release("debian", "13", "trixie"),
    "var/lib/dpkg/status": bases.DPKG.encode(),
}
TRACKER = {"greet": {"CVE-2026-0001": entry(trixie=state()), "CVE-2026-0002": entry(trixie=state("1.0-1"))}}


def test_packages_of_the_base_stand_in_bills_and_are_audited(fpack: Fpack, registry: Registry, project: Path) -> None:
    base = bases.push(registry, layers=[bases.BASE, DATABASES])
    fpack("pack", "--sbom", cwd=write(project, base, FILES))
    bill = json.loads(fpack("sbom", "app.tar", cwd=project).stdout)
    (package,) = [part for part in bill["components"] if part["name"] == "libgreet0"]
    assert package["purl"] == ("pkg:deb/debian/libgreet0@1.0-2%2Bb1?arch=amd64&distro=trixie&upstream=greet%401.0-2")
    assert {"name": "fpack:from-base", "value": base} in package["properties"]
    assert {"name": "aquasecurity:trivy:SrcName", "value": "greet"} in package["properties"]
    (project / "tracker.json").write_text(json.dumps(TRACKER))
    found = json.loads(fpack("audit", "app.tar", "--data", "tracker.json", "--json", cwd=project).stdout)
    assert "CVE-2026-0001" in json.dumps(found)
    assert "CVE-2026-0002" not in json.dumps(found)
    assert "are not known" not in json.dumps(found)
    assert "self-consistent" in fpack("verify", "app.tar", cwd=project).stdout


def test_a_base_of_alpine_is_listed_and_judged_only_with_data_about_it(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    files = {"etc/os-release": bases.os_release("alpine", "3.20.1"), "lib/apk/db/installed": bases.APK.encode()}
    base = bases.push(registry, layers=[{"usr/bin/busy": b"\x7fbusy", **files}])
    fpack("pack", "--sbom=spdx-2.3", cwd=write(project, base, FILES))
    text = fpack("sbom", "app.tar", "--format", "spdx-2.3", cwd=project).stdout
    assert "pkg:apk/alpine/libcrypto3@3.3.1-r0?arch=x86_64&distro=alpine-3.20.1&upstream=openssl" in text
    assert f"From the base {base}" in text
    (project / "tracker.json").write_text(json.dumps(TRACKER))
    done = fpack("audit", "app.tar", "--data", "tracker.json", cwd=project, status=6)
    assert "no data about Alpine v3.20" in done.stdout + done.stderr


def test_a_database_that_a_higher_layer_replaces_does_not_count(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    changed = {"var/lib/dpkg/status": b"Package: other\nVersion: 2\nArchitecture: all\nStatus: install ok installed\n"}
    base = bases.push(registry, layers=[bases.BASE, DATABASES, changed])
    fpack("pack", cwd=write(project, base, FILES))
    listed = json.loads((project / "app.manifest.json").read_text())["base"]["packages"]
    assert listed["packages"] == [["deb", "other", "2", "all", "other", "2"]]


def test_verify_finds_a_list_of_packages_that_is_not_that_of_the_layers(
    fpack: Fpack, registry: Registry, project: Path
) -> None:
    base = bases.push(registry, layers=[bases.BASE, DATABASES])
    fpack("pack", cwd=write(project, base, FILES))
    manifest = project / "app.manifest.json"
    manifest.write_text(manifest.read_text().replace('"libgreet0","1.0-2+b1"', '"libgreet0","9.0-2+b1"'))
    assert '"9.0-2+b1"' in manifest.read_text()
    done = fpack("verify", "app.tar", "--manifest", manifest.name, cwd=project, status=1)
    assert "its packages are not those of the databases in its layers" in done.stdout + done.stderr
