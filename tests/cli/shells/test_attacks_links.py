"""A hostile project has symlinks under the names that fpack writes to. Nothing that they lead to may change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.needs import needs_bubblewrap
from support.processes.people import Person

pytestmark = needs_bubblewrap

SERVICES = """
debian = import("fpack/debian").trixie
shell = shell {
  name = "site"
  packages = [debian.greet]
  services = {
    echo = service {
      packages = [debian.greet]
      start = "trap 'exit 0' TERM; echo started; touch \\"$DATA/made\\" \\"$RUN/up\\"; while :; do sleep 0.05; done"
      ready = "test -e \\"$RUN/up\\""
      exports = { DATA_OF_ECHO = "$DATA" }
      seconds = 20
    }
  }
}
image = container { packages = [debian.greet, debian.bash] }
package = import("fpack/package").package
tool = package { name = "tool", version = "2", unpack = "echo made > made", install = "mkdir $out", fixup = null }
"""


def tree(top: Path) -> dict[str, object]:
    """Return what is below a directory, by path: mode, owner, mtime, and content or target."""
    found: dict[str, object] = {}
    for each in sorted(top.rglob("*")):
        status = each.lstat()
        content = os.readlink(each) if each.is_symlink() else each.read_bytes() if each.is_file() else None
        found[str(each.relative_to(top))] = (status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found


@pytest.fixture
def precious(user: Person, tmp_path: Path) -> Iterator[Path]:
    """Yield a directory of the user's in their home, which is the same after the test."""
    place = user.home / f"precious-{tmp_path.name}"
    (place / "sub").mkdir(parents=True)
    (place / ".bashrc").write_text("PS1=mine\n")
    (place / "sub/key").write_text("secret\n")
    (place / "sub/key").chmod(0o600)
    user.own(place)
    before = tree(place)
    yield place
    assert tree(place) == before


@pytest.fixture
def project(user: Person, tmp_path: Path) -> Path:
    return user.project(f"{tmp_path.name}", SERVICES)


def link(user: Person, place: Path, target: Path | str) -> None:
    """Put a link into a project, with directories and link owned by the user, as in a checkout."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    folder = place
    while folder.name and folder.parent != user.place and user.place in folder.parents:
        os.chown(folder, user.uid, user.uid, follow_symlinks=False)
        folder = folder.parent


SHELL = ("shell", "--", "sh", "-c", 'echo "entered $DATA_OF_ECHO"')


@pytest.mark.parametrize("name", [
    ".fpack", ".fpack/services", ".fpack/services/echo", ".fpack/services/echo/data", ".fpack/build",
    ".fpack/build/tool-2",
])  # fmt: skip
def test_a_directory_that_fpack_once_had_in_projects_is_a_link(
    user: Person, project: Path, precious: Path, name: str
) -> None:
    link(user, project / name, precious)
    done = user(*SHELL, cwd=project)
    assert done.stdout.startswith("entered /"), done.stderr
    user("shell", "--for", "tool", "--", "phase", "unpack", cwd=project)


@pytest.mark.parametrize("name", [
    "services/echo/log", "services/echo/users", "services/echo/turn", "services/echo/pid", ".gitignore", "shell-0",
    "build/tool-2/.phases", "build-0",
])  # fmt: skip
@pytest.mark.parametrize("target", [".bashrc", "new"])
def test_a_file_that_fpack_once_had_in_projects_is_a_link(
    user: Person, project: Path, precious: Path, name: str, target: str
) -> None:
    link(user, project / ".fpack" / name, precious / target)
    assert user(*SHELL, cwd=project).stdout.startswith("entered /")
    user("shell", "--for", "tool", "--", "phase", "unpack", cwd=project)


def test_nothing_is_written_into_a_project_but_its_lock(user: Person, project: Path) -> None:
    before = tree(project)
    data = user(*SHELL, cwd=project).stdout.split()[1]
    user("shell", "--for", "tool", "--", "phase", "unpack", cwd=project)
    assert {name for name in tree(project) if name not in before} == {"fpack.lock"}
    assert not Path(data).is_relative_to(project) and (Path(data) / "made").exists()


def test_a_process_that_a_checkout_names_is_left_alone(user: Person, project: Path) -> None:
    with subprocess.Popen(["sleep", "100"]) as victim:
        fields = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()
        place = project / ".fpack/services/echo"
        place.mkdir(parents=True)
        (place / "pid").write_text(f"{victim.pid} {fields[19]}\n")
        user.own(project)
        user(*SHELL, cwd=project)
        assert victim.poll() is None
        victim.kill()


FORGED = """
debian = import("fpack/debian").trixie
made = import("fpack/shell").shell { packages = [debian.greet] }
s = service { packages = [debian.greet], start = "touch \\"$DATA/made\\"; sleep 5", ready = "test -e \\"$DATA/made\\"" }
shell = { ...made, services = { "NAME" = s } }
base = import("fpack/package").package { name = "tool", install = "mkdir $out" }
tool = derivation {
  kind = "exec"
  name = "tool"
  root = base.root
  shell = "/bin/bash"
  phases = [{ name = "x/../NAME", script = "evil" }]
  env = {}
  strip = true
  outputs = ["out"]
  allowed = null
  disallowed = []
  limits = null
}
"""


@pytest.mark.parametrize("words", [["--", "true"], ["--for", "tool", "--", "phase"]])
def test_a_name_in_a_record_that_was_made_by_hand_is_no_path(
    user: Person, tmp_path: Path, precious: Path, words: list[str]
) -> None:
    name = "../" * 20 + str(precious)[1:] + "/new"
    folder = user.project(tmp_path.name, FORGED.replace("NAME", name))
    assert "name" in user.fails("shell", *words, cwd=folder)


# ---- files that commands write into a project


def test_a_lock_that_is_a_link_to_another_projects(user: Person, project: Path, precious: Path) -> None:
    """Even if the target is a valid lock: only commands of the other project may change it."""
    other = user.project(f"{project.name}-other", 'x = import("fpack/debian").trixie.greet\n')
    user("lock", cwd=other)
    before = tree(other)
    for target in (other / "fpack.lock", f"../{other.name}/fpack.lock", precious / "new"):
        (project / "fpack.lock").unlink(missing_ok=True)
        link(user, project / "fpack.lock", target)
        text = user.fails("lock", cwd=project)
        assert "is a link to another directory" in text and "--lock" in text
    assert tree(other) == before


@pytest.mark.parametrize("target", [".bashrc", "new"])
def test_an_image_that_is_a_link(user: Person, project: Path, precious: Path, target: str) -> None:
    link(user, project / "greet.tar", precious / target)
    assert "is a link to another directory" in user.fails("pack", cwd=project)
    (project / "greet.tar").unlink()
    link(user, project / "greet.manifest.json", precious / target)
    user("pack", cwd=project)
    assert not (project / "greet.manifest.json").is_symlink()


def test_a_result_that_is_a_link(user: Person, project: Path, precious: Path) -> None:
    link(user, project / "result", precious)
    user("build", "tool", cwd=project)
    assert os.readlink(project / "result").startswith(f"{user.home}/store/store/")


@pytest.mark.parametrize("output", [[], ["-o", "greet.oci"], ["-o", "./greet.oci/"]])
def test_a_layout_that_is_a_link(user: Person, project: Path, precious: Path, output: list[str]) -> None:
    """Else the target would be replaced by the image, and its other files deleted."""
    pack = ("pack", "--format", "oci-dir")
    other = user.project(f"{project.name}-other", SERVICES.replace("[debian.greet, debian.bash]", "[debian.sed]"))
    user(*pack, "-o", "mine.oci", cwd=other)
    (other / "empty").mkdir()
    user.own(other)
    before = tree(other)
    for target in (other / "mine.oci", other / "empty", precious / "new"):
        (project / "greet.oci").unlink(missing_ok=True)
        link(user, project / "greet.oci", target)
        assert "link" in user.fails(*pack, *output, cwd=project)
    assert tree(other) == before


def test_a_layout_with_links_in_it(user: Person, project: Path, precious: Path) -> None:
    pack = ("pack", "--format", "oci-dir", "-o", "out.oci")
    user(*pack, cwd=project)
    layout = project / "out.oci"
    names = [each for each in layout.rglob("*") if each.is_file()]
    assert len(names) > 6
    for name in names:
        copy = precious.parent / f"copy-{project.name}"
        shutil.copyfile(name, copy)
        for content in (copy, precious / ".bashrc", precious / "new"):
            name.unlink()
            link(user, name, content)
            user(*pack, cwd=project)
            assert not name.is_symlink() and name.read_bytes() == copy.read_bytes(), name
    link(user, layout / "blobs/sha256" / ("0" * 64), precious / ".bashrc")
    user(*pack, cwd=project)
    for name in ("blobs/sha256", "blobs"):
        shutil.move(layout / name, project / f"away-{Path(name).name}")
        link(user, layout / name, precious)
        assert "is a symlink" in user.fails(*pack, cwd=project)
        (layout / name).unlink()
        shutil.move(project / f"away-{Path(name).name}", layout / name)


@pytest.mark.parametrize("name", [".devcontainer", ".devcontainer/devcontainer.json"])
def test_a_description_for_editors_that_is_a_link(user: Person, project: Path, precious: Path, name: str) -> None:
    others = precious.parent / f"editor-{project.name}"
    others.mkdir()
    (others / "devcontainer.json").write_text(json.dumps({"customizations": {"fpack": {}}}))
    user.own(others)
    before = tree(others)
    link(user, project / name, others if name == ".devcontainer" else others / "devcontainer.json")
    assert "is a link to another directory" in user.fails("shell", "--devcontainer", cwd=project)
    assert tree(others) == before


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", ["fpack.lock", ".devcontainer/devcontainer.json"])
def test_a_file_that_never_ends_is_not_read(user: Person, project: Path, name: str, kind: str) -> None:
    place = project / name
    place.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    user.own(project)
    command = ("lock",) if name == "fpack.lock" else ("shell", "--devcontainer")
    expected = "it is not a regular file" if name == "fpack.lock" else "devcontainer.json was not written by fpack"
    assert expected in user.fails(*command, cwd=project)


@pytest.mark.parametrize("words", [["tool.fp"], ["lib"], ["lib/x.fp"], ["./lib/"]])
def test_files_to_format_that_are_links(user: Person, project: Path, precious: Path, words: list[str]) -> None:
    others = precious.parent / f"library-{project.name}"
    others.mkdir()
    (others / "x.fp").write_text("a=1\n")
    user.own(others)
    before = tree(others)
    link(user, project / "tool.fp", others / "x.fp")
    link(user, project / "lib", others)
    assert "is a link to another directory" in user.fails("fmt", *words, cwd=project)
    assert tree(others) == before
    user("fmt", str(others / "x.fp"), cwd=project)
    assert (others / "x.fp").read_text() == "a = 1\n"


@pytest.mark.parametrize("name", ["fpack.fp", ".gitignore"])
@pytest.mark.parametrize("target", [".bashrc", "new"])
def test_files_of_init_that_are_links(user: Person, tmp_path: Path, precious: Path, name: str, target: str) -> None:
    folder = user.place / f"init-{tmp_path.name}"
    folder.mkdir()
    (folder / "Makefile").write_text("all:\n\ttrue\n")
    link(user, folder / name, precious / target)
    user("init", cwd=user.own(folder), status=None)
