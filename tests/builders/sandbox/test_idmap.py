"""Root's directories as another user sees them: mounts below a directory, of which some cannot be mapped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fpack.builders.sandbox import idmap

USER = 4711
# Mounts an overlay, a tmpfs in it, another tmpfs with a blank in its name, and a mount that another one hides.
MOUNTS = """
set -e
cd "$1"
mkdir lower upper work tree tree/overlay "tree/a memory" tree/hidden
touch lower/file tree/own
mount -t tmpfs none tree/hidden && mkdir tree/hidden/deep && mount -t tmpfs none tree/hidden/deep
mount -t tmpfs none tree/hidden && touch tree/hidden/seen
mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work tree/overlay
mkdir tree/overlay/deep && mount -t tmpfs none tree/overlay/deep
mount -t tmpfs -o noexec none "tree/a memory"
shift
exec "$@"
"""
LOOK = """
import os, sys
from fpack.builders.sandbox import idmap
tree, at, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
idmap.show(at, [idmap.Bind(tree, at + "/0", True)], user)
idmap.become(user)
for path in ("", "/own", "/a memory", "/overlay", "/overlay/file", "/overlay/deep", "/hidden", "/hidden/seen"):
    print(os.stat(at + "/0" + path).st_uid, path)
for path in ("", "/a memory", "/overlay/deep", "/hidden"):
    open(at + "/0" + path + "/made", "w").close()
with open("/proc/self/mountinfo") as file:
    rows = [line.split() for line in file if f" {at}/0" in line]
print(*sorted(row[4].removeprefix(at) + ":" + row[5] for row in rows), sep="\\n")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can map the ids of mounts")
def test_each_mount_below_a_directory_is_mapped_apart(tmp_path: Path) -> None:
    code = [sys.executable, "-c", LOOK, str(tmp_path / "tree"), "/mnt", str(USER)]
    command = ["unshare", "-m", "sh", "-c", MOUNTS, "sh", str(tmp_path), *code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    owners = {path: int(uid) for uid, _, path in (line.partition(" ") for line in lines[:8])}
    overlay = owners.pop("/overlay")
    assert overlay in (0, USER) and owners.pop("/overlay/file") == overlay
    assert owners == dict.fromkeys(owners, USER) and len(owners) == 6
    mounts = dict(line.split(":") for line in lines[8:])
    assert set(mounts) == {"/0", "/0/overlay", "/0/overlay/deep", "/0/hidden", "/0/a\\040memory"}
    assert "noexec" in mounts["/0/a\\040memory"]
    assert (tmp_path / "tree" / "made").stat().st_uid == 0


@pytest.mark.parametrize("path", ["link", "link/deep", "inner/link", "inner/link/deep", "file/deep", "none"])
def test_nothing_is_attached_below_a_symlink(tmp_path: Path, path: str) -> None:
    (tmp_path / "other/deep").mkdir(parents=True)
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").touch()
    for link in ("link", "inner/link"):
        (tmp_path / link).symlink_to(tmp_path / "other")
    with pytest.raises(OSError), idmap._opened(str(tmp_path), path) as fd:
        os.listdir(f"/proc/self/fd/{fd}/.")
