"""Test which data of entered shells is kept, and what `fpack gc` deletes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.archives.shells import kept_for
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell { name = "site", packages = [debian.greet], hook = "echo HOOK" }
"""


def kept(fpack: Fpack) -> set[Path]:
    """Return the directories of shells that are kept, less the entries themselves."""
    return {each for each in (fpack.home / ".cache/fpack/shells").glob("*/*") if each.name != "entry"}


def most_of_one_place(fpack: Fpack) -> int:
    """Return the number of kept versions of the shell that has the most."""
    places = [each.parent for each in kept(fpack) if each.name.startswith("own-")]
    return max(places.count(place) for place in places)


def test_a_collection_deletes_what_no_shell_uses_and_spares_the_rest(fpack: Fpack, project: Path) -> None:
    fpack("shell", "--", "true", cwd=project)
    first = kept(fpack)
    path = json.loads(fpack("shell", "--print-env=json", cwd=project).stdout)["path"]
    (project / "fpack.fp").write_text(PROJECT.replace("HOOK", "another").replace("greet]", "greet, debian.patch]"))
    fpack("shell", "--", "true", cwd=project)
    fpack("shell", "--user", "dev:1234", "--", "true", cwd=project)
    second = kept(fpack) - first
    half = next(iter(second)).parent / ".made-half"
    half.mkdir()
    os.utime(half, (0, 0))
    assert {each.name.partition("-")[0] for each in first} == {"etc", "filter", "own"}
    assert [each.name.partition("-")[0] for each in sorted(second, key=lambda each: each.name)] == [
        "etc", "etc", "own", "shims"
    ]  # fmt: skip
    fpack("gc")
    used = {each for each in first if each.name.startswith("filter-")}  # it is the same for both shells
    assert kept(fpack) == used | {each for each in second if not each.name.startswith("shims-")}, path
    assert fpack("shell", "--", "true", cwd=project).stdout == "another\n"


def test_a_shell_that_is_open_keeps_what_it_uses(fpack: Fpack, project: Path) -> None:
    words = fpack.command("shell", "--", "sh", "-c", "echo go; read line; cat /run/fpack/hook; id -un; exec greet")
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=fpack.env, cwd=project
    ) as one:
        assert one.stdout is not None and [one.stdout.readline() for _ in range(2)] == ["HOOK\n", "go\n"]
        (project / "fpack.fp").write_text(PROJECT.replace("HOOK", "another"))
        assert fpack("shell", "--", "true", cwd=project).stdout == "another\n"
        fpack("gc")
        assert most_of_one_place(fpack) == 2
        said = one.communicate("\n", timeout=WAIT)[0].splitlines()
        assert said[0] == "echo HOOK" and said[-1] == "greet 13 "
    fpack("gc")
    assert most_of_one_place(fpack) == 1


@pytest.mark.parametrize("options", [[], ["--container"]])
def test_what_outlives_fpack_itself_keeps_its_root(fpack: Fpack, project: Path, options: list[str]) -> None:
    """A killed fpack leaves the command running, and a shell may leave a server: gc does not take their root away."""
    script = "echo go; while ! test -e go-on; do sleep 0.05; done; greet > said"
    words = fpack.command("shell", *options, "debian.trixie.greet", "debian.trixie.patch", "--", "sh", "-c", script)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=fpack.env, cwd=project) as one:
        assert one.stdout is not None and one.stdout.readline() == "go\n"
        one.kill()
        one.wait()
        fpack("gc")
        (project / "go-on").touch()
        assert one.stdout.read() == "", "the end of the last process that writes there"
    assert (project / "said").read_text() == "greet 13 \n"


def test_shims_work_as_long_as_their_root_is_there(fpack: Fpack, project: Path) -> None:
    path = json.loads(fpack("shell", "--print-env=json", cwd=project).stdout)["path"]
    fpack("gc")
    assert subprocess.run([f"{path}/greet"], capture_output=True, text=True, check=True).stdout == "greet 13 \n"
    shutil.rmtree(project)
    fpack("gc")
    assert not Path(path).exists() and not Path(path).parent.parent.exists()


def test_shells_of_a_store_that_is_gone_go_too(fpack: Fpack, project: Path) -> None:
    other = {"FPACK_ROOT": str(fpack.home / "other")}
    before = kept(fpack)
    fpack("shell", "--", "true", cwd=project, env=other)
    made = kept(fpack) - before
    fpack("gc")
    assert made and made <= kept(fpack), "another store's shells are that one's to collect"
    subprocess.run(["chmod", "-R", "u+w", other["FPACK_ROOT"]], check=True)
    shutil.rmtree(other["FPACK_ROOT"])
    fpack("gc")
    assert not made & kept(fpack)


BUILD = """
tool = import("fpack/package").package { name = "tool", unpack = "echo > made", install = "mkdir $out", fixup = null }
"""


def test_what_is_kept_of_a_project_goes_with_it_but_for_what_cannot_be_made_again(fpack: Fpack, tmp_path: Path) -> None:
    """A disk may only not be there now, and what a service wrote is nowhere else."""
    places = []
    for name in ("plain", "worked-in", "here"):
        project = tmp_path / name
        project.mkdir()
        (project / "fpack.fp").write_text(PROJECT + BUILD)
        fpack("shell", "--", "true", cwd=project)
        if name == "worked-in":
            fpack("shell", "--for", "tool", "--", "phase", "unpack", cwd=project)
        places.append(kept_for(fpack, project))
        assert (places[-1] / "roots/shell-0").is_symlink()
        if name != "here":
            shutil.rmtree(project)
    assert "worked-in" not in fpack("gc", "--dry-run").stderr and places[0].exists()
    for _ in range(2):
        assert f"{places[1]} has data or builds of {tmp_path}/worked-in, which no longer exists" in fpack("gc").stderr
        assert [each.exists() for each in places] == [False, True, True]
        assert (places[1] / "build/tool-0/made").exists() and not (places[1] / "roots").exists()
        assert (places[2] / "roots/shell-0").exists()
