"""Commands that move store paths, locks and images to other places and back, to inject faults into."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from support.faults.injection import FaultOutcome
from support.faults.run import Scenario, open_all
from support.processes.program import Fpack

PROJECT = """
note = text("note", "see ${./data}/one.txt")
other = text("other", "${note} and ${more}")
more = text("more", "more")
"""
IMAGE = """
debian = import("fpack/debian").trixie
image = container {
  name = "app", tag = "1", closure = "linked", configure = false
  packages = [debian.hello]
  wants = ["/usr/share/greet/words"]
  files = { "/etc/motd" = { text = "app" }, "/srv/note" = text("note", "a note") }
}
"""
REFERENCE = "{registry}/team/app:1"


def _project(fpack: Fpack, text: str) -> Path:
    project = fpack.home / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "one.txt").write_text("one\n")
    (project / "data" / "large").write_bytes(bytes(range(256)) * 2000)
    (project / "fpack.fp").write_text(text)
    return project


def _forget(fpack: Fpack) -> None:
    """Delete the store, and what this machine remembers of caches and registries."""
    open_all(fpack.home / "store")
    shutil.rmtree(fpack.home / "store")
    for path in (fpack.home / ".local", fpack.home / ".cache" / "fpack" / "pulled"):
        shutil.rmtree(path, ignore_errors=True)


def _built(fpack: Fpack) -> Path:
    project = _project(fpack, PROJECT)
    fpack("key", "generate", "-o", "ci.pem")
    fpack("build", "other", cwd=project)
    fpack.env |= {"FPACK_CACHES": f"file://{fpack.home}/cache", "FPACK_CACHE_KEYS": f"{fpack.home}/ci.pub"}
    return project


def _pushed(fpack: Fpack) -> None:
    project = _built(fpack)
    fpack("cache", "push", "other", "--to", fpack.env["FPACK_CACHES"], "--key", "../ci.pem", cwd=project)
    (project / "result").unlink()
    _forget(fpack)


def _before_cache_push(fpack: Fpack) -> None:
    _built(fpack)


def _before_pushing_build(fpack: Fpack) -> None:
    project = _built(fpack)
    (project / "result").unlink()
    _forget(fpack)
    fpack.env |= {"FPACK_CACHE_PUSH": fpack.env["FPACK_CACHES"], "FPACK_CACHE_SIGN_WITH": f"{fpack.home}/ci.pem"}


def _cached(fpack: Fpack, outcome: FaultOutcome) -> str:
    (checked,) = json.loads(fpack("cache", "check", "--content", "--json").stdout)["caches"]
    return f"{checked['paths']} paths"


def _pushed_later(fpack: Fpack, outcome: FaultOutcome) -> str:
    """Push the rest: what was built before a fault is not pushed by later builds."""
    fpack("cache", "push", "other", cwd=fpack.home / "project")
    return outcome.out + _cached(fpack, outcome)


def _result(fpack: Fpack, outcome: FaultOutcome) -> str:
    assert (fpack.home / "project" / "result").read_text()
    return outcome.out


def _locked(fpack: Fpack) -> Path:
    project = _project(fpack, IMAGE)
    fpack("lock", "image", cwd=project)
    return project


def _kept(fpack: Fpack, outcome: FaultOutcome) -> str:
    mirror = fpack.home / "project" / "mirror"
    fpack("mirror", "check", mirror)
    (row,) = json.loads(fpack("mirror", "list", mirror, "--json").stdout)["locks"]
    assert row["kept"]
    return str(row)


def _before_fill(fpack: Fpack) -> None:
    _locked(fpack)


def _before_copy(fpack: Fpack) -> None:
    fpack("mirror", "fill", "./first", "fpack.lock", cwd=_locked(fpack))


def _before_collection(fpack: Fpack) -> None:
    project = _locked(fpack)
    fpack("lock", "--keep", "./mirror", cwd=project)
    lock = (project / "fpack.lock").read_text()
    (project / "fpack.fp").write_text(IMAGE.replace("debian.hello", "debian.grep").replace("wants", "# wants"))
    fpack("lock", "image", "--keep", "./mirror", cwd=project)
    (project / "old.lock").write_text(lock)


def _bundled(fpack: Fpack, outcome: FaultOutcome) -> str:
    return hashlib.sha256((fpack.home / "project" / "app.bundle").read_bytes()).hexdigest()


def _before_unpack(fpack: Fpack) -> None:
    project = _locked(fpack)
    fpack("build", "-e", 'text("x", "y")', cwd=project)
    fpack("bundle", "app.bundle", "--store", "./result", cwd=project)


def _unpacked(fpack: Fpack, outcome: FaultOutcome) -> str:
    fpack("mirror", "check", fpack.home / "project" / "mirror")
    return str(sorted(p.name for p in (fpack.home / "project" / "mirror").rglob("*") if p.is_file() and p.suffix))


def _delete_whole(fpack: Fpack) -> None:
    """Delete the directory if the command made it: then it is whole."""
    mirror = fpack.home / "project" / "mirror"
    if mirror.exists():
        assert (mirror / "fpack.lock").exists() and (mirror / "paths.closure").exists()
        fpack("mirror", "check", mirror)
        shutil.rmtree(mirror)


def _before_push(fpack: Fpack) -> None:
    fpack("pack", "image", cwd=_project(fpack, IMAGE))


def _before_pull(fpack: Fpack) -> None:
    project = _project(fpack, IMAGE)
    reference = REFERENCE.format(registry=fpack.env["REGISTRY"])
    fpack("pack", "image", "--push", reference, "--plain-http", cwd=project)
    _forget(fpack)


def _pulled(fpack: Fpack, outcome: FaultOutcome) -> str:
    value = json.loads(outcome.out)
    return f"{value['digest']} {value['path']}"


def _before_patch(fpack: Fpack) -> None:
    project = _project(fpack, IMAGE)
    reference = REFERENCE.format(registry=fpack.env["REGISTRY"])
    fpack("pack", "image", "--push", reference, "--plain-http", cwd=project)
    assert fpack.archive is not None
    fpack.archive.add("libgreet1", "2:1.0~rc1-2", files={"usr/share/greet/words": "Good evening\n"})
    fpack.archive.publish()


_TO = ["--plain-http", "--json"]
TRANSFERS = {
    scenario.name: scenario
    for scenario in (
        Scenario("substitute", _pushed, ["build", "other"], _result),
        Scenario("fetch", _pushed, ["build", "other", "--no-link"], lambda fpack, outcome: outcome.out),
        Scenario("cache-push", _before_cache_push,
                 ["cache", "push", "other", "--to", "file://{home}/cache", "--key", "../ci.pem"], _cached),
        Scenario("pushing-build", _before_pushing_build, ["build", "other"], _pushed_later),
        Scenario("fill", _before_fill, ["mirror", "fill", "./mirror", "fpack.lock"], _kept),
        Scenario("copy", _before_copy, ["mirror", "fill", "./mirror", "--from", "./first"], _kept),
        Scenario("mirror-gc", _before_collection, ["mirror", "gc", "./mirror", "--wanted", "old.lock"], _kept),
        Scenario("bundle", _before_fill, ["bundle", "app.bundle", "--force"], _bundled),
        Scenario("unpack", _before_unpack, ["bundle", "--unpack", "app.bundle", "-o", "mirror"], _unpacked,
                 _delete_whole),
        Scenario("push", _before_push, ["push", "app.tar", REFERENCE, *_TO], lambda fpack, outcome: ""),
        Scenario("pull", _before_pull, ["pull", REFERENCE, *_TO], _pulled),
        Scenario("pull-layout", _before_pull, ["pull", REFERENCE, "-o", "layout/", *_TO],
                 lambda fpack, outcome: str(json.loads(outcome.out)["digest"])),
        Scenario("patch", _before_patch, ["patch", REFERENCE, *_TO], lambda fpack, outcome: ""),
    )
}  # fmt: skip
