"""A package and a container read like forms, and stay open: what a user writes first, as the design has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.store import derivation
from support.archives.packages import Everything, Files

FORM = """
debian = import("fpack/debian").trixie

redis = package {
  name    = "redis"
  version = "7.4.2"
  source  = fetch {
    url    = "https://download.redis.io/releases/redis-${version}.tar.gz"
    sha256 = "4ddebbf09061cbb589011786febdb34f29767dd7f89dbe712d2b68e808af6a1f"
  }
  tools   = [debian.build-essential, debian.pkg-config]
  libs    = [debian.libssl-dev]
  build   = "make -j$CORES BUILD_TLS=yes"
  install = "make PREFIX=$out install"
}

image = container {
  packages   = [redis]
  entrypoint = ["${redis}/bin/redis-server"]
  ports      = [6379]
  user       = "redis"
}

# functions have defaults and optional types; lambdas are written x => x + 1
greeting(name: string, polite = true) =
  if polite then "Good day, ${name}" else "Hi ${name}"

debug = redis.with { build = "make -j$CORES noopt" }
newer = redis.with { version = "8.0.0" }
"""


@pytest.fixture
def file(tmp_path: Path, cache: Path) -> tuple[Evaluator, Any]:
    codec = {"name": "zstd", "level": 3, "threads": 2, "library": "test"}
    (tmp_path / "fpack.fp").write_text(FORM)
    evaluator = Evaluator(
        cache=cache,
        packages=Everything(),
        sources=Files(),
        settings={"arch": "amd64", "codec": codec, "version": "test"},
    )
    return evaluator, evaluator.load(tmp_path / "fpack.fp")


def made_from(evaluator: Evaluator, value: Any) -> dict[str, derivation.Derivation]:
    """Return the derivations that a value is made from, directly and through others, by name."""
    found: dict[str, derivation.Derivation] = {}
    todo = [evaluator.derivation_of(value)[0]]
    while todo:
        made = derivation.decode(evaluator.derivations[todo.pop()])
        if made.name not in found:
            found[made.name] = made
            todo += [output.derivation for output in made.inputs]
    return found


def test_the_form_makes_a_build_and_an_image(file: tuple[Evaluator, Any]) -> None:
    evaluator, value = file
    build = made_from(evaluator, evaluator.select(value, ["redis"]))
    fetched = [d for d in build.values() if d.kind == "fetch" and "redis" in d.name]
    assert [d.args["urls"] for d in fetched] == [["https://download.redis.io/releases/redis-7.4.2.tar.gz"]]
    assert any("make -j$CORES BUILD_TLS=yes" in str(d.args) for d in build.values() if d.kind == "exec")
    image = made_from(evaluator, evaluator.select(value, ["image", "image"]))
    assert {d.kind for d in image.values()} >= {"image", "root", "exec", "slice", "deb", "fetch"}
    assert evaluator.call(evaluator.select(value, ["greeting"]), "Ann") == "Good day, Ann"


def test_changes_reach_dependent_fields(file: tuple[Evaluator, Any]) -> None:
    evaluator, value = file
    debug, redis, newer = (
        made_from(evaluator, evaluator.select(value, [name])) for name in ("debug", "redis", "newer")
    )
    assert any("make -j$CORES noopt" in str(d.args) for d in debug.values() if d.kind == "exec")
    assert not any("noopt" in str(d.args) for d in redis.values())
    urls = [d.args["urls"] for d in newer.values() if d.kind == "fetch"]
    assert ["https://download.redis.io/releases/redis-8.0.0.tar.gz"] in urls
    assert evaluator.select(value, ["newer", "version"]) == "8.0.0"


def test_a_debian_package_with_a_replaced_file(file: tuple[Evaluator, Any]) -> None:
    """Also through an overlay, a slice, and a container that lists it."""
    evaluator, _ = file
    text = """
    let
      own    = text("own.deb", "as if it were one")
      debian = import("fpack/debian").trixie.extend((old, new) => { dash = old.dash.with { deb = own, version = "9" } })
      box    = container { packages = [debian.dash.slice { keep = ["/bin"] }, debian.sed] }
    in { image = box.image }
    """
    found = made_from(evaluator, evaluator.select(evaluator.expression(text), ["image"]))
    assert "own.deb" in found and found["dash-9"].args["version"] == "9"
    assert found["dash-9"].args["deb"].endswith("-own.deb")
    slices = {str(d.args["payload"]).rpartition("-dash-")[2] for d in found.values() if d.kind == "slice"}
    assert "9" in slices
