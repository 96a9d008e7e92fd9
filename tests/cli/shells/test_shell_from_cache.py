"""A shell whose root a cache has: no package is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

from fpack.store.store import Store
from support.archives.shells import out
from support.needs import needs_bubblewrap
from support.processes.program import Fpack

pytestmark = needs_bubblewrap


def test_a_root_comes_with_its_slices(fpack: Fpack, tmp_path: Path) -> None:
    cache = f"file://{tmp_path / 'cache'}"
    fpack("key", "generate", "-o", tmp_path / "ci.pem")
    shell = ("shell", "debian.trixie.greet", "--", "greet", "you")
    pushing = {"FPACK_CACHE_PUSH": cache, "FPACK_CACHE_SIGN_WITH": str(tmp_path / "ci.pem")}
    pushing["FPACK_ROOT"] = str(tmp_path / "first")
    assert fpack(*shell, env=pushing).stdout.strip() == "greet 13 you"
    other = Fpack(tmp_path / "other", fpack.archive)
    other.env |= {"FPACK_CACHES": cache, "FPACK_CACHE_KEYS": str(tmp_path / "ci.pub")}
    assert out(other, *shell) == "greet 13 you"
    builds = json.loads(other("history", "--json").stdout)["builds"]
    made = {(entry["kind"], entry["outcome"]) for entry in builds}
    assert ("root", "substituted") in made and not {"deb", "slice", "fetch"} & {kind for kind, _ in made}
    # The store knows what made each slice, so that it can tell, and repair it.
    store = Store(Path(other.env["FPACK_ROOT"]))
    try:
        slices = [info.path for info in store.database.paths() if info.path.name.endswith("-slice")]
        assert slices and all(store.database.outputs_of(path) for path in slices)
    finally:
        store.close()
