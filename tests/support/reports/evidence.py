"""Provide evidence for checks of an image: a store, cached indexes and releases, and the keyring of an archive."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from fpack.builders.manifest.format import Head
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.evidence.remote import Remote
from fpack.builders.verify.findings import ImageDifference
from fpack.builders.verify.verify import VerifyResult, verify
from fpack.store.store import Store
from support.archives.archive import Archive, clearsign, file, link, signing_key
from support.images.greeter import Greeter
from support.images.tamper import Image
from support.processes.program import Fpack, world

CALL = "update-alternatives --install /usr/bin/editor editor /usr/bin/{} {}\n"
PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "estate"
  tag = "1"
  packages = [debian.estate]
  entrypoint = ["/usr/bin/estate"]
  files = { "/etc/estate.conf" = "mine\\n", "/srv/estate/data" = { text = "x", mode = "0600", uid = 5 } }
  directories = { "/var/lib/estate" = { mode = "0700", uid = 5, gid = 5 } }
}
"""


@dataclasses.dataclass
class World:
    """A packed image and the evidence of its parts; a copy, which a test may damage."""

    made: Greeter
    store: Store
    cache: Path
    keyring: Path

    @classmethod
    def of(cls, made: Greeter, folder: Path) -> World:
        """Copy what is at hand to check an image by."""
        shutil.copytree(made.fpack.home / "store", folder / "store", symlinks=True)
        shutil.copytree(made.fpack.home / ".cache" / "fpack" / "debian", folder / "cache")
        assert made.fpack.archive is not None
        return cls(made, Store(folder / "store"), folder / "cache", made.fpack.archive.keyring)

    def hand(self, store: bool = True, remote: Remote | None = None) -> LocalEvidence:
        """Return all of it; or without the store."""
        return LocalEvidence(self.store if store else None, self.cache, str(self.keyring), remote)

    def verify(self, manifest: Path | None = None, *, store: bool = True) -> VerifyResult:
        """Check the image against a manifest, in the place of the one that it carries."""
        image = self.made.tar
        if manifest is not None:
            bare = Image.load(image)
            bare.referrers = None
            image = bare.save(manifest.with_suffix(".tar"))
        return verify(image, [manifest] if manifest else [], [], self.hand(store))

    def check(self, image: Path) -> VerifyResult:
        """Check an image against what it carries."""
        return verify(image, [], [], self.hand())

    def deb(self, package: str) -> Path:
        """Return the path in the store of the file of a package."""
        (place,) = self.store.root.glob(f"store/*-{package}_*.deb")
        return place

    def resigned(self, head: Head, change: Callable[[str], str], suite: str = "trixie") -> Head:
        """Return the head with another release of a suite in its lock: changed, and signed by the archive's key."""
        pin = next(each for each in head.lock.suites if each.suite == suite)
        lines = (self.cache / f"{pin.sha256}.InRelease").read_text().split("\n")
        text = "\n".join(lines[lines.index("") + 1 : lines.index("-----BEGIN PGP SIGNATURE-----")]) + "\n"
        changed = change(text)
        assert changed != text
        data = clearsign(re.sub(r"^- ", "", changed, flags=re.MULTILINE), signing_key())
        sha256 = hashlib.sha256(data).hexdigest()
        (self.cache / f"{sha256}.InRelease").write_bytes(data)
        suites = tuple(each._replace(sha256=sha256) if each.suite == suite else each for each in head.lock.suites)
        return head._replace(lock=head.lock._replace(suites=suites))


def estate(home: Path) -> Greeter:
    """Return a packed image of packages with all that fpack generates from packages, or that their files can be."""
    archive = world(home.with_name(home.name + "-archive"))
    archive.add(
        "estate",
        depends="ca-certificates, libssl3, editor-one, editor-two, hello",
        files={
            "usr/bin/estate": file("#!/bin/sh\n", 0o755),
            "usr/bin/estate-su": file("set-id", 0o4755),
            "bin/estate-old": link("../etc/alternatives/x"),
            "usr/share/estate/words": "words\n",
            "usr/share/estate/link": link("words"),
            "usr/share/estate/deep/up": link("../words"),
            "var/lib/estate-data": _directory(0o2775, 8),
            "var/lib/estate-data/file": "x",
        },
    )
    archive.add(
        "ca-certificates",
        files={
            "usr/share/ca-certificates/mozilla/B.crt": "B certificate",
            "usr/share/ca-certificates/mozilla/A.crt": "A certificate\n",
            "usr/share/ca-certificates/mozilla/ő.crt": "",
        },
    )
    archive.add("libssl3", files={"usr/lib/libcrypto.so.3": "no ELF"})
    archive.add("libc6", files={"usr/lib/x86_64-linux-gnu/libc.so.6": "no ELF"})
    for number, name in enumerate(("editor-one", "editor-two")):
        script = "#!/bin/sh\n" + CALL.format(name, 10 + number)
        archive.add(name, depends="libc6", files={f"usr/bin/{name}": file("x", 0o755)}, scripts={"postinst": script})
    archive.publish()
    return packed(home, archive, PROJECT, "estate")


def packed(home: Path, archive: Archive, text: str, name: str) -> Greeter:
    """Return a project of one file, packed."""
    fpack = Fpack(home, archive)
    project = home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(text)
    fpack.pack(cwd=project)
    return Greeter(fpack, project, project / f"{name}.tar", project / f"{name}.manifest.json")


def _directory(mode: int, gid: int) -> object:
    from support.archives.archive import directory

    return directory(mode, gid=gid)


def verify_alone(image: Path, manifest: Path | None = None) -> VerifyResult:
    """Verify an image with no local evidence: every finding comes from the image and its manifest."""
    return verify(image, [manifest] if manifest else [], [], LocalEvidence(None, Path("/nonexistent")))


def says(findings: list[ImageDifference], *words: str) -> bool:
    """Return whether one finding contains all the words."""
    return any(all(word in " ".join(finding) for word in words) for finding in findings)
