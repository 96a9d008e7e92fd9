"""Lock gems whose Gemfile.lock has no checksums: fpack.lock records them. Each gem is downloaded once.

Older versions of fpack recorded them in `gems.lock`. Its records move to fpack.lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.archives.shells import world
from support.processes.program import Fpack
from support.servers.httpserver import Server

TOOLS = (
    "base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "gzip", "libc-bin", "patch",
    "sed", "tar", "xz-utils", "bundler", "ruby", "libc6",
)  # fmt: skip
PROJECT = 'app = ruby { name = "app", source = ./src, lock = ./src/Gemfile.lock }\n'
GEM = b"a gem"
DIGEST = hashlib.sha256(GEM).hexdigest()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = world(tmp_path_factory.mktemp("archive"))
    for name in TOOLS:
        made.add(name, files={f"usr/share/{name}": name})
    made.publish()
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "gems/gems").mkdir(parents=True)
    (tmp_path / "gems/gems/words-1.0.gem").write_bytes(GEM)
    with Server(tmp_path / "gems") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Path:
    (tmp_path / "project/src").mkdir(parents=True)
    (tmp_path / "project/fpack.fp").write_text(PROJECT)
    lock = f"GEM\n  remote: {server.url}/\n  specs:\n    words (1.0)\n"
    (tmp_path / "project/src/Gemfile.lock").write_text(lock)
    return tmp_path / "project"


def test_gems_are_recorded_in_the_lock(archive: Archive, server: Server, place: Path, tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home", archive)
    assert json.loads(fpack("lock", "--json", cwd=place).stdout)["written"] == []
    lock = (place / "fpack.lock").read_text()
    request = f'resolved digest {{"url":"gem:{server.url}//words-1.0.gem"}}'
    assert f'{request}\n  {{"sha256":"{DIGEST}"}}\n' in lock
    assert [path for _, path, _ in server.requests] == ["/gems/words-1.0.gem"]
    fpack("lock", cwd=place)
    fpack("lock", "--frozen", cwd=place)
    assert len(server.requests) == 1 and (place / "fpack.lock").read_text() == lock
    (place / "fpack.lock").write_text(lock.partition("resolved")[0])
    assert "does not have the SHA-256 of 1 file (gems)" in fpack.fails("lock", "--frozen", cwd=place)
    # With the records of an older version, nothing is downloaded.
    older = place / "src/gems.lock"
    older.write_text(json.dumps({"files": {f"gem:{server.url}//words-1.0.gem": DIGEST}, "format": 1, "of": ""}))
    (place / "fpack.lock").unlink()
    fpack("eval", "fpack.fp#app.name", cwd=place)
    fpack("lock", "fpack.fp#app", cwd=place)
    assert older.exists() and "resolved" not in (place / "fpack.lock").read_text()
    found = json.loads(fpack("lock", "--json", cwd=place).stdout)
    assert found["moved"] == [str(older)] and not older.exists()
    assert (place / "fpack.lock").read_text() == lock and len(server.requests) == 1
    fpack("lock", "--frozen", cwd=place)
