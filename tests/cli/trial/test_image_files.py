"""`fpack try` of an image in a file or directory: fpack's own, docker's and hostile ones, as root and not."""

from __future__ import annotations

import functools
import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import file
from support.images.tamper import Image, Layer, info, node
from support.processes.people import CALLERS, MODES, WITH_IDS, Person, person

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.tool, debian.bash, debian.coreutils]
  env = { COLOR = "blue" }
  user = "1234:55"
  workdir = "/work"
  volumes = ["/var/lib/tool"]
  files = { "/etc/tool.conf" = { text = "secret", mode = "0600", user = "keeper" } }
  users = { keeper = { uid = 1234, gid = 55 } }
  command = ["sh", "-c", "echo $COLOR $PWD $(id -u) $(id -g); cat /etc/tool.conf; ls -d /var/lib/tool"]
}
linked = image.with { closure = "linked", user = null, rules = { base-files = { drop = [] } } }
dropped = image.with { user = null, rules = { tool = { drop = ["/usr/share/tool", "/usr/bin/helper"] } } }
"""
# A linked image includes the libraries that a script names, so the name is put together.
TOOL = """\
#!/bin/sh
part=ug
cat /usr/lib/libpl${part}in.so.1 /usr/share/tool/data 2>/dev/null
name=helper
$name
nonexistent-program
exit 9
"""


@pytest.fixture(scope="module", params=CALLERS)
def someone(request: pytest.FixtureRequest) -> Iterator[Person]:
    """Yield a user with images of a project."""
    mode = "user" if request.param == WITH_IDS else request.param
    with person(mode) as made:
        assert made.archive is not None
        made.archive.add("tool", "1.0", depends="extra", files={
            "usr/bin/tool": file(TOOL, 0o755), "usr/share/tool/data": "data\n",
            "usr/bin/helper": file("#!/bin/sh\n", 0o755)})  # fmt: skip
        made.archive.add("extra", "1.0", files={"usr/lib/libplugin.so.1": "plugin\n"})
        made.archive.add("other-tools", files={"usr/bin/nonexistent-program": file("#!/bin/sh\n", 0o755)})
        made.archive.publish(contents=True)
        if request.param == WITH_IDS:
            if not made.prefix:
                pytest.skip("only root can give ids to a user")
            made.prefix = (*made.prefix[:2], "--ids", *made.prefix[2:])
        project = made.project("project", PROJECT)
        made("pack", "--no-configure", "-o", "image.tar", cwd=project)
        made("pack", "--no-configure", "#linked", "-o", "linked.tar", cwd=project)
        made("pack", "--no-configure", "#dropped", "-o", "dropped.tar", cwd=project)
        made("pack", "--no-configure", "--format", "oci-dir", "-o", "layout", cwd=project)
        # Another machine than the one that packed it.
        made.env["FIRST_ROOT"] = made.env["FPACK_ROOT"]
        made.env["FPACK_ROOT"] = str(made.own(new(made.place / "other")) / "fpack")
        yield made


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def packed(user: Person) -> Path:
    return user.place / "project/image.tar"


@pytest.fixture
def image(someone: Person) -> Image:
    """Return the image, taken apart, with a shell as its command and root as its user."""
    made = Image.load(packed(someone))
    made.config["config"] |= {"User": "", "Cmd": ["sh", "-c", "echo up"], "WorkingDir": "/", "Volumes": None}
    return made


def saved(user: Person, made: Image) -> Path:
    path = user.place / "changed.tar"
    made.save(path)
    return path


def docker_archive(made: Image, path: Path, **changes: Any) -> Path:
    """Write an image as docker did before it wrote OCI layouts."""
    files = made.files()
    entry = json.loads(files["manifest.json"])[0]
    layers = [f"{number:064d}/layer.tar" for number in range(len(entry["Layers"]))]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, layer in zip(layers, made.layers, strict=True):
            archive.addfile(info(name.partition("/")[0], type=tarfile.DIRTYPE, mode=0o755))
            add(archive, name, layer.tar)
        add(archive, "config.json", files[entry["Config"]])
        document = [{"Config": "config.json", "RepoTags": ["shop:1"], "Layers": layers, **changes}]
        add(archive, "manifest.json", json.dumps(document).encode())
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    import io

    archive.addfile(info(name, len(data)), io.BytesIO(data))


def run(user: Person, path: Path | str, script: str, *options: str, status: int | None = 0) -> str:
    """Return the output of a script in an image."""
    return user("try", str(path), *options, "--", "sh", "-c", script, cwd=user.place, status=status).stdout


@pytest.mark.parametrize("someone", [*MODES, WITH_IDS], indirect=True)
@pytest.mark.parametrize("form", ["tar", "layout", "docker"])
def test_it_runs_as_the_image_says(someone: Person, form: str) -> None:
    path = packed(someone) if form == "tar" else someone.place / "project/layout"
    if form == "docker":
        path = docker_archive(Image.load(packed(someone)), someone.place / "docker.tar")
    done = someone("try", str(path), cwd=someone.place)
    assert done.stdout.splitlines() == ["blue /work 1234 55", "secret/var/lib/tool"]
    options = ("--env", "COLOR=red", "--user", "root", "--command", "-c 'echo $COLOR $(id -u)'", "--entrypoint", "sh")
    assert someone("try", str(path), *options, cwd=someone.place).stdout == "red 0\n"
    assert "built already" in someone.fails("try", str(path), "--no-configure", cwd=someone.place)
    left = [each.name for each in Path(someone.env["FPACK_ROOT"]).glob("sessions/*/*")]
    assert not left, "what was unpacked is deleted"


def test_what_it_writes_is_gone_afterwards(someone: Person) -> None:
    script = "echo changed > /usr/bin/tool; cat /usr/bin/tool; rm /etc/tool.conf"
    assert run(someone, packed(someone), script, "--user", "0") == "changed\n"
    assert run(someone, packed(someone), "cat /usr/bin/tool; echo x >/etc/y", "--user", "0") == TOOL


def test_files_of_the_closure_are_named_by_the_manifest_in_it(someone: Person) -> None:
    here = {"FPACK_ROOT": someone.env["FIRST_ROOT"]}
    for name, path, found, env in (
        ("linked", "/usr/lib/libplugin.so.1", ("extra", "left out", 'wants = ["/usr/lib/libplugin.so.1"]'), None),
        ("dropped", "/usr/bin/helper", ("tool", "dropped", None), None),
        ("dropped", "/usr/share/tool/data", ("tool", "dropped", None), here),
    ):
        done = someone("try", "--json", f"project/{name}.tar", "--", "tool", cwd=someone.place, status=9, env=env)
        missing = {path: m for m in json.loads(done.stdout)["missing"] for path in m["paths"]}
        assert (missing[path]["package"], missing[path]["kind"], missing[path]["line"]) == found
        assert missing["/usr/bin/nonexistent-program"]["package"] == "other-tools"


def test_images_of_other_tools_have_users_by_name_and_whiteouts(someone: Person, image: Image) -> None:
    image.referrers, image.artifacts = None, []
    image.config["config"] |= {"User": "keeper", "Env": ["A=b"], "Entrypoint": None, "StopSignal": "getsignal"}
    image.config["config"]["Cmd"] = ["sh", "-c", "echo $A $(id -u) $(cat /opt/x /opt/y); ls /usr/share/tool /lib"]
    image.layers.append(Layer([
        node("./opt", kind=tarfile.DIRTYPE, mode=0o755), node("./opt/x", b"one "), node("./opt/.wh.y"),
        node("opt/z", kind=tarfile.LNKTYPE, target=b"opt/x"), node("usr/share/tool/.wh..wh..opq"),
    ], suffix=""))  # fmt: skip
    image.layers.append(Layer([node("opt/y", b"two"), node("opt/.wh.x"), node("opt/x", b"three ")], suffix=""))
    done = someone("try", str(saved(someone, image)), cwd=someone.place, status=None)
    assert done.stdout.startswith("b 1234 three two\n"), done.stderr
    assert "data" not in done.stdout
    gone = docker_archive(image, someone.place / "other.tar")
    done = someone("try", str(gone), "--", "tool", cwd=someone.place, status=9)
    assert "usr/share/tool/data" not in done.stderr, "no manifest tells whose it is"


def test_gzip_is_read_whatever_a_layer_is_called(someone: Person, image: Image) -> None:
    extra = Layer([node("opt/x", b"here\n")], suffix="")
    extra.blob = gzip.compress(extra.tar)
    image.layers.append(extra)
    late = Layer([node("opt/y", b"y", mtime=7), node("opt/z", b"z", mtime=(1 << 33) - 1)], suffix="")
    image.layers.append(late)
    assert run(someone, saved(someone, image), "cat /opt/x; stat -c %Y /opt/y") == "here\n7\n"


LINK = {"kind": tarfile.SYMTYPE, "mode": 0o777}
HOSTILE = {
    "parent": ([node("../evil", b"x")], "leads out"),
    "inner parent": ([node("usr/../../evil", b"x")], "leads out"),
    "absolute": ([node("/evil", b"x")], "absolute"),
    "below an absolute link": ([node("a", target=b"/tmp", **LINK), node("a/evil", b"x")], "symlink"),
    "below a link out": ([node("a", target=b"../../../../../../tmp", **LINK), node("a/evil", b"x")], "symlink"),
    "hard link to the machine": ([node("a", kind=tarfile.LNKTYPE, target=b"/etc/passwd")], "absolute"),
    "hard link out": ([node("a", kind=tarfile.LNKTYPE, target=b"../../etc/passwd")], "leads out"),
    "hard link through a link": (
        [node("a", target=b"/etc", **LINK), node("b", kind=tarfile.LNKTYPE, target=b"a/passwd")], "not a file",
    ),
    "whiteout of a parent": ([node(".wh...")], "whiteout"),
    "twice": ([node("a", b"x"), node("a", b"y")], "twice"),
    "a name without end": ([node("/".join(["a" * 20] * 90), b"x"), node("a" * 20 + "/" + "b" * 200, b"x")], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_writes_nothing_outside(someone: Person, image: Image, name: str) -> None:
    members, reason = HOSTILE[name]
    image.layers.append(Layer(members, suffix=""))
    before = {path.name for path in someone.place.iterdir()} | {"changed.tar"}
    done = someone("try", str(saved(someone, image)), cwd=someone.place, status=None if not reason else 1)
    assert reason in done.stderr and "Traceback" not in done.stderr
    assert {path.name for path in someone.place.iterdir()} == before and not Path("/tmp/evil").exists()


def test_links_of_an_image_lead_to_its_own_files(someone: Person, image: Image) -> None:
    (someone.place / "secret").write_text("secret of the machine")
    (someone.place / "secret").chmod(0o644)
    image.layers.append(Layer([
        node("etc/passwd", target=f"{someone.place}/secret".encode(), **LINK),
        node("etc/group", target=b"../../../../../../etc/group", **LINK),
        node("etc/resolv.conf", target=f"{someone.place}/secret".encode(), **LINK),
        node("link", target=f"{someone.place}/secret".encode(), **LINK),
    ], suffix=""))  # fmt: skip
    script = "cat /link /etc/passwd; echo $HOME"
    assert run(someone, saved(someone, image), script) == "/\n"
    assert (someone.place / "secret").read_text() == "secret of the machine"


def test_the_kernels_directories_are_the_sandboxs(someone: Person, image: Image) -> None:
    for top in ("proc", "dev", "sys"):
        image.layers.append(Layer([node(f".wh.{top}"), ], suffix=""))  # fmt: skip
        image.layers.append(Layer([node(top, target=b"/merged/usr", **LINK)], suffix=""))
    script = "test -d /proc/1 && test -c /dev/null && ! test -e /usr/1 && ! echo 1 > /proc/sys/kernel/panic"
    run(someone, saved(someone, image), script)


def test_devices_and_set_id_bits_have_no_effect(someone: Person, image: Image) -> None:
    shell = next(member for layer in image.layers for member in layer.members if member.path == b"usr/bin/id")
    image.layers.append(Layer([
        node("opt/null", kind=tarfile.CHRTYPE, mode=0o666), node("opt/disk", kind=tarfile.BLKTYPE, mode=0o666),
        node("opt/pipe", kind=tarfile.FIFOTYPE, mode=0o666),
        shell._replace(path=b"opt/id", mode=0o4755),
    ], suffix=""))  # fmt: skip
    done = someone(
        "try", str(saved(someone, image)), "--user", "1234", "--", "sh", "-c", "ls /opt; /opt/id -u", cwd=someone.place
    )
    assert done.stdout.split() == ["id", "1234"] and "no devices and pipes" in done.stderr


@functools.cache
def bomb() -> bytes:
    """Return a packed layer with a file of 2 GiB."""
    import zstandard

    size = 2 << 30
    header = bytearray(node("opt/big", b"").encode()[:512])
    header[124:136] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    pieces = [packer.compress(bytes(header))]
    pieces += [packer.compress(bytes(1 << 24)) for _ in range(size >> 24)]
    return b"".join([*pieces, packer.flush()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "someone", ["user", *(pytest.param(other, marks=pytest.mark.attack) for other in ("root", WITH_IDS))], indirect=True
)
def test_a_bomb_is_stopped(someone: Person, image: Image) -> None:
    layer = Layer([], suffix="+zstd")
    layer.blob, layer.raw = bomb(), b""
    image.layers.append(layer)
    told = someone("try", str(saved(someone, image)), cwd=someone.place, status=1).stderr
    assert "too large when they are unpacked" in told


@pytest.mark.parametrize("what", ["blob", "diff_id", "manifest", "config"])
def test_what_does_not_have_its_digest_is_refused(someone: Person, image: Image, what: str) -> None:
    files = image.files()
    manifest = json.loads(files[blob(json.loads(files["index.json"])["manifests"][0])])
    if what == "diff_id":
        image.layers[-1].blob = Layer([node("opt/x", b"x")], suffix="").tar
    else:
        name = {
            "blob": blob(manifest["layers"][-1]), "manifest": blob(json.loads(files["index.json"])["manifests"][0]),
            "config": blob(manifest["config"]),
        }[what]  # fmt: skip
        data = bytearray(files[name])
        data[-3] ^= 1
        image.replace[name] = bytes(data)
    told = someone("try", str(saved(someone, image)), cwd=someone.place, status=1).stderr
    assert "Traceback" not in told and "error:" in told.lower()


def blob(descriptor: dict[str, Any]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


@pytest.mark.parametrize(
    "settings",
    [{"Cmd": "sh -c"}, {"Cmd": [1]}, {"Env": [None]}, {"Env": ["A\0=b"]}, {"User": "nobody-there"}, {"User": ["x"] * 3},
     {"Env": {"A": {}}}, {"User": "0:abc"}, {"User": "4294967294"}, {"WorkingDir": ["\0"]}, {"Volumes": [["x"]]},
     {"ExposedPorts": {"x/y": {}, "99999999/tcp": {}, "-1": {}}}, {"Env": ["=", "A", ""]}, {"WorkingDir": "a/../../b"},
     {"StopSignal": "9" * 30}, {"StopSignal": "SIGRTMIN+" + "9" * 30},
     {"StopSignal": "99"}, {"StopSignal": "RTMIN+"}, {"Volumes": {"/etc/passwd": {}}}, {"Volumes": {"..": {}}}],
)  # fmt: skip
@pytest.mark.parametrize("someone", ["user"], indirect=True)  # they do not depend on who runs fpack
def test_odd_settings_are_refused_or_run(someone: Person, image: Image, settings: dict[str, Any]) -> None:
    image.config["config"] |= settings
    done = someone("try", str(saved(someone, image)), cwd=someone.place, status=None)
    assert "Traceback" not in done.stderr
    assert done.stdout == "up\n" or "error" in done.stderr.lower() or "fpack: " in done.stderr, done.stderr


def test_what_is_no_image_says_so(someone: Person, image: Image) -> None:
    assert "There is no such file" in someone.fails("try", "none.tar", cwd=someone.place)
    assert "There is no such file" in someone.fails("try", "none.oci", cwd=someone.place)
    (someone.place / "no.tar").write_bytes(b"x" * 2048)
    assert "not a tar" in someone.fails("try", "no.tar", cwd=someone.place)
    path = saved(someone, image)
    (someone.place / "packed.tar.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    assert "gzip -d" in someone.fails("try", "packed.tar.gz", cwd=someone.place)
    image.config["architecture"] = "s390x"
    done = someone("try", str(saved(someone, image)), cwd=someone.place, status=2)
    assert "it has linux/s390x" in done.stderr
    image.replace["index.json"] = b'{"manifests":[]}'
    assert "no container image" in someone.fails("try", str(saved(someone, image)), cwd=someone.place)
