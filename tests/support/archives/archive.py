"""Real .deb files, and a small signed archive of them, made in a temporary folder.

    archive = Archive(tmp_path / "mirror")
    archive.add("hello", "1.0", depends="libc6", files={"usr/bin/hello": file(b"...", 0o755)})
    archive.add("hello", "1.1", suite="trixie-security")
    archive.publish()
    ... FPACK_MIRROR=archive.mirror, FPACK_KEYRING=archive.keyring ...

`UbuntuArchive` is one as Ubuntu's: of another key, without expiry dates, with the component universe. `make_deb` alone
makes one package's bytes. Its `members` go into the data tar as they are, for hostile archives.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.debian.suites import UBUNTU_RELEASES, IndexPin, Suite, SuiteFile

DAY = 24 * 3600
Raw = tuple[tarfile.TarInfo, bytes]
_LARGE = 16 << 20  # packages with more bytes than this are not kept in memory


class Entry(NamedTuple):
    """An entry of a package's data: made by `file`, `directory`, `link` and `hardlink`."""

    kind: bytes
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""


def file(data: bytes | str, mode: int = 0o644, *, uid: int = 0, gid: int = 0) -> Entry:
    """Return a regular file."""
    return Entry(
        tarfile.REGTYPE, data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data, mode, uid, gid
    )


def directory(mode: int = 0o755, *, uid: int = 0, gid: int = 0) -> Entry:
    """Return a directory."""
    return Entry(tarfile.DIRTYPE, b"", mode, uid, gid)


def link(target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(tarfile.SYMTYPE, b"", 0o777, target=target)


def _info(path: str, entry: Entry, mtime: int) -> Raw:
    info = tarfile.TarInfo(f"./{path}" if path else ".")  # tarfile itself puts a slash after a directory
    info.type = entry.kind
    info.mode = entry.mode
    info.uid, info.gid = entry.uid, entry.gid
    info.uname, info.gname = ("root", "root") if entry.uid == 0 else ("", "")
    info.mtime = mtime
    info.linkname = entry.target
    info.size = len(entry.data)
    return info, entry.data


def _tar(members: Iterable[Raw]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.size else None)
    return out.getvalue()


def pack(data: bytes, packing: str) -> bytes:
    """`data` packed as xz, gz, zst or none."""
    if packing == "xz":
        return lzma.compress(data, preset=0)
    if packing == "gz":
        return gzip.compress(data, 1, mtime=0)
    if packing == "zst":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(data)
    return data


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an ar archive of (name, data), as dpkg-deb makes it."""
    out = [b"!<arch>\n"]
    for name, data in members:
        out.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        out.append(data + b"\n" * (len(data) % 2))
    return b"".join(out)


def control_text(
    name: str, version: str = "1.0", *, arch: str = "amd64", fields: Mapping[str, str] | None = None, **more: str
) -> str:
    """Return a control stanza; keywords are fields: `pre_depends="dpkg"` is `Pre-Depends: dpkg`."""
    table = {
        "Package": name,
        "Version": version,
        "Architecture": arch,
        "Maintainer": "Nobody <nobody@example.org>",
        "Description": f"the package {name}",
    }
    table |= {"-".join(word.capitalize() for word in key.split("_")): value for key, value in more.items()}
    table |= dict(fields or {})
    return "".join(f"{key}: {value}\n" for key, value in table.items())


def make_deb(
    name: str,
    version: str = "1.0",
    *,
    arch: str = "amd64",
    files: Mapping[str, Entry | bytes | str] | None = None,
    scripts: Mapping[str, str] | None = None,
    conffiles: Sequence[str] = (),
    fields: Mapping[str, str] | None = None,
    packing: str = "xz",
    control_packing: str = "xz",
    members: Sequence[Raw] = (),
    copyright: str | None = "Public domain.\n",
    mtime: int = 1_700_000_000,
    **more: str,
) -> bytes:
    """Return a .deb. `files` maps paths to entries (bytes and text: 0644 files); folders above them are added.

    `scripts` are maintainer scripts by name; `members` are raw tar members appended to the data; `more` and `fields`
    are control fields.
    """
    entries = {p.strip("/"): e if isinstance(e, Entry) else file(e) for p, e in (files or {}).items()}
    if copyright is not None:
        entries.setdefault(f"usr/share/doc/{name}/copyright", file(copyright))
    control = control_text(name, version, arch=arch, fields=fields, **more)
    known_scripts = tuple((scripts or {}).items())
    known = (control, tuple(entries.items()), known_scripts, tuple(conffiles), packing, control_packing, mtime)
    if members or sum(len(entry.data) for entry in entries.values()) > _LARGE:
        return _make_deb.__wrapped__(*known, tuple(members))
    return _make_deb(*known)


@lru_cache(maxsize=256)
def _make_deb(
    control_stanza: str,
    files: tuple[tuple[str, Entry], ...],
    scripts: tuple[tuple[str, str], ...],
    conffiles: tuple[str, ...],
    packing: str,
    control_packing: str,
    mtime: int,
    members: tuple[Raw, ...] = (),
) -> bytes:
    """Return a .deb. Many tests make the same few packages, and compressing real programs takes longer than most."""
    entries = dict(files)
    for path in list(entries):
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            entries.setdefault("/".join(parts[:depth]), directory())
    data = [_info("", directory(), mtime)]
    # A hard link comes after the file that it names.
    order = sorted(entries, key=lambda path: (entries[path].kind == tarfile.LNKTYPE, path))
    data += [_info(path, entries[path], mtime) for path in order]
    sums = "".join(
        f"{hashlib.md5(e.data).hexdigest()}  {p}\n" for p, e in sorted(entries.items()) if e.kind == tarfile.REGTYPE
    )
    control = {"control": control_stanza, "md5sums": sums}
    if conffiles:
        control["conffiles"] = "".join(f"{path}\n" for path in conffiles)
    inner = [_info("", directory(), mtime)]
    inner += [_info(path, file(text), mtime) for path, text in control.items()]
    inner += [_info(path, file(text, 0o755), mtime) for path, text in scripts]
    control_end = "" if control_packing == "none" else f".{control_packing}"
    data_end = "" if packing == "none" else f".{packing}"
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{control_end}", pack(_tar(inner), control_packing)),
            (f"data.tar{data_end}", pack(_tar([*data, *members]), packing)),
        ]
    )


@cache
def signing_key() -> Any:
    """Return a key that signs test archives; the same one throughout a process."""
    return new_key()


def new_key(user: str = "Test Archive <archive@example.org>", **settings: Any) -> Any:
    """Return another key, for signatures that nobody trusts."""
    import pysequoia

    return pysequoia.Tsk.generate(user, **settings)


def clearsign(text: str, key: Any | None = None) -> bytes:
    """`text` as a clearsigned message."""
    import pysequoia

    signer = (key or signing_key()).signer()
    return bytes(pysequoia.sign(signer, text.encode(), mode=pysequoia.SignatureMode.CLEAR))


def write_keyring(path: Path, *keys: Any) -> Path:
    """Return a keyring of the certificates of `keys` (the test archives' one by default)."""
    path.write_bytes(b"".join(bytes(key.extract_certificate()) for key in keys or (signing_key(),)))
    return path


def pin_of(text: bytes) -> IndexPin:
    """Return the pin of an index with this text."""
    digest = hashlib.sha256(text).hexdigest()
    return IndexPin(digest, len(text), SuiteFile("main/binary-amd64/Packages.xz", len(text), digest))


def digest_lines(data: bytes, name: str, algorithms: Sequence[str]) -> dict[str, str]:
    """Return the line of a file in each section of a release."""
    return {each: f" {hashlib.new(each, data).hexdigest()} {len(data)} {name}" for each in algorithms}


class Archive:
    """An archive of one release, and those of `also`, with its updates and security suites, below `folder`.

    keyring: a file. mirror: what FPACK_MIRROR takes. releases: what a `DebianSource` takes. Nothing is on disk
    before `publish`; it can be called again after more packages were added or `dates` passed. The algorithms of the
    digests in releases and in packages can be changed at any time.
    """

    origin = "Debian"
    keyring_variable = "FPACK_KEYRING"
    components: Sequence[str] = ("main",)
    contents_directory = "main/"
    release_digests: Sequence[str] = ("sha256",)
    package_digests: Sequence[str] = ("sha256",)

    def __init__(
        self, folder: Path, *, release: str = "trixie", archs: Sequence[str] = ("amd64",), also: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.release = release
        self.archs = tuple(archs)
        self.suites: dict[str, str] = {}
        for each in (release, *also):
            self.suites |= self._suites_of(each)
        self._stanzas: dict[str, dict[tuple[str, str, str], str]] = {suite: {} for suite in self.suites}
        # Lines of the Contents indexes beside those of the packages, by suite and architecture: of no package here.
        self.contents_lines: dict[tuple[str, str], list[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.keyring = write_keyring(folder / "keyring.pgp", self.key)

    @property
    def key(self) -> Any:
        """The key that signs."""
        return signing_key()

    def _suites_of(self, release: str) -> dict[str, str]:
        return {release: "debian", f"{release}-updates": "debian", f"{release}-security": "debian-security"}

    def _names_of(self, suite: str) -> list[str]:
        """Return the fields of a release that name its suite."""
        return [f"Suite: stable{suite.removeprefix(self.release)}", f"Codename: {suite}"]

    def copied(self, folder: Path) -> Archive:
        """Return the same archive in a copy of its folder; what is added to it is not in this one."""
        other = Archive(folder, release=self.release, archs=self.archs)
        other.suites = dict(self.suites)
        other._stanzas = {suite: dict(stanzas) for suite, stanzas in self._stanzas.items()}
        other.contents_lines = dict(self.contents_lines)
        return other

    @property
    def mirror(self) -> str:
        """The mirrors as an option: this archive by file URL, and nothing else."""
        return self.mirror_at(self.folder.resolve().as_uri())

    def mirror_at(self, base: str) -> str:
        """Return the mirrors as an option, served under another base URL."""
        return f"debian={base}/debian debian-security={base}/debian-security only"

    @property
    def releases(self) -> dict[str, tuple[Suite, ...]]:
        """The releases of this archive, for DebianSource's `releases`."""
        return {self.release: tuple(Suite(name, archive) for name, archive in self.suites.items())}

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        suite: str = "",
        component: str = "main",
        arch: str = "amd64",
        **deb: Any,
    ) -> Path:
        """Make a package with `make_deb` and put it into a suite (the release's own by default); the file's path."""
        return self.add_deb(make_deb(name, version, arch=arch, **deb), suite=suite, component=component)

    def add_deb(self, data: bytes, *, suite: str = "", component: str = "main") -> Path:
        """Put a .deb into a suite. Its control data is read from it."""
        suite = suite or self.release
        text = read_control(data)
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))
        name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
        plain = version.partition(":")[2] or version
        file_name = f"pool/{component}/{name[:1]}/{name}/{name}_{plain}_{arch}.deb"
        path = self.folder / self.suites[suite] / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        stanza = "".join(f"{line}\n" for line in text.splitlines() if line)
        for key, value in (("Section", "misc"), ("Priority", "optional")):
            if key not in fields:
                stanza += f"{key}: {value}\n"
        stanza += f"Filename: {file_name}\nSize: {len(data)}\n"
        for each in self.package_digests:
            stanza += f"{'MD5sum' if each == 'md5' else each.upper()}: {hashlib.new(each, data).hexdigest()}\n"
        self._stanzas[suite][name, version, arch] = stanza
        return path

    def remove(self, name: str, *, suite: str = "") -> None:
        """Take every version of a package out of a suite, and its files off the disk."""
        suite = suite or self.release
        for key in [key for key in self._stanzas[suite] if key[0] == name]:
            text = self._stanzas[suite].pop(key)
            file_name = next(line[10:] for line in text.splitlines() if line.startswith("Filename: "))
            (self.folder / self.suites[suite] / file_name).unlink(missing_ok=True)

    def publish(
        self,
        *suites: str,
        date: float | None = None,
        days: float | None = 7,
        key: Any | None = None,
        packings: Sequence[str] = ("xz", "gz"),
        by_hash: bool = True,
        keep_old: bool = False,
        contents: bool = False,
    ) -> None:
        """Write the indexes of all suites, or of `suites` alone, and sign them.

        date: of the releases (now). days: until they expire (None: never). key: another signing key. keep_old: leave
        earlier indexes under their digests, as real archives do for a while. contents: write Contents indexes of the
        files of all packages; empty ones for the security suites, as in Debian.
        """
        for suite in suites or self.suites:
            base = self.folder / self.suites[suite] / "dists" / suite
            made = time.time() if date is None else date
            sums: dict[str, list[str]] = {each: [] for each in self.release_digests}
            for component, arch in [(c, a) for c in self.components for a in self.archs]:
                folder = base / component / f"binary-{arch}"
                folder.mkdir(parents=True, exist_ok=True)
                stanzas = self._stanzas[suite]
                chosen = [k for k in sorted(stanzas) if k[2] in (arch, "all")]
                own = [stanzas[k] for k in chosen if f"\nFilename: pool/{component}/" in stanzas[k]]
                hashed = [(each, folder / "by-hash" / each.upper()) for each in self.release_digests]
                for _, directory in hashed:
                    directory.mkdir(parents=True, exist_ok=True)
                    for old in [] if keep_old else directory.iterdir():
                        old.unlink()
                for packing in ("none", *packings):
                    data = pack("\n".join(own).encode(), packing)
                    name = "Packages" if packing == "none" else f"Packages.{packing}"
                    for each, line in digest_lines(data, f"{component}/binary-{arch}/{name}", [*sums]).items():
                        sums[each].append(line)
                    if packing != "none":
                        (folder / name).write_bytes(data)
                        for each, directory in hashed if by_hash else []:
                            (directory / hashlib.new(each, data).hexdigest()).write_bytes(data)
            if contents:
                for arch in (*self.archs, "all"):
                    text = b"" if suite.endswith("-security") else self._contents(suite, arch)
                    for name, data in ((f"Contents-{arch}", text), (f"Contents-{arch}.gz", pack(text, "gz"))):
                        for each, line in digest_lines(data, f"{self.contents_directory}{name}", [*sums]).items():
                            sums[each].append(line)
                    (base / self.contents_directory / f"Contents-{arch}.gz").write_bytes(pack(text, "gz"))
            lines = [
                f"Origin: {self.origin}",
                *self._names_of(suite),
                f"Date: {formatdate(made, usegmt=True)}",
                *([] if days is None else [f"Valid-Until: {formatdate(made + days * DAY, usegmt=True)}"]),
                *(["Acquire-By-Hash: yes"] if by_hash else []),
                f"Architectures: all {' '.join(self.archs)}",
                f"Components: {' '.join(self.components)}",
                *(line for each in sums for line in (f"{'MD5Sum' if each == 'md5' else each.upper()}:", *sums[each])),
            ]
            base.mkdir(parents=True, exist_ok=True)
            (base / "InRelease").write_bytes(clearsign("\n".join(lines) + "\n", key or self.key))

    def _contents(self, suite: str, arch: str) -> bytes:
        """Return the Contents index of a suite for one architecture."""
        lines = list(self.contents_lines.get((suite, arch), ()))
        for (name, _, own), text in self._stanzas[suite].items():
            if own == arch:
                file_name = next(line[10:] for line in text.splitlines() if line.startswith("Filename: "))
                deb = (self.folder / self.suites[suite] / file_name).read_bytes()
                lines += [b"%-55s misc/%s" % (path.encode(), name.encode()) for path in read_paths(deb)]
        return b"".join(line + b"\n" for line in sorted(lines))

    def inrelease(self, suite: str = "") -> Path:
        """Return the signed index of a suite, for tests that damage it."""
        suite = suite or self.release
        return self.folder / self.suites[suite] / "dists" / suite / "InRelease"


@cache
def ubuntu_key() -> Any:
    """Return the key that signs test archives of Ubuntu."""
    return new_key("Another Test Archive <other@example.org>")


class UbuntuArchive(Archive):
    """A test archive as Ubuntu's of 26.10: one archive with all suites, two components, and SHA-512 alone."""

    origin = "Ubuntu"
    keyring_variable = "FPACK_UBUNTU_KEYRING"
    components = ("main", "universe")
    contents_directory = ""
    release_digests = ("sha512",)
    package_digests = ("sha512",)

    def __init__(self, folder: Path, *, release: str = "noble", archs: Sequence[str] = ("amd64",)) -> None:
        super().__init__(folder, release=release, archs=archs)

    @property
    def key(self) -> Any:
        """The key that signs."""
        return ubuntu_key()

    def _suites_of(self, release: str) -> dict[str, str]:
        return {f"{release}{end}": "ubuntu" for end in ("", "-updates", "-security")}

    def _names_of(self, suite: str) -> list[str]:
        return [f"Suite: {suite}", f"Codename: {self.release}"]

    def mirror_at(self, base: str) -> str:
        """Return the mirrors as an option, served under another base URL."""
        return f"ubuntu={base}/ubuntu only"

    @property
    def releases(self) -> dict[str, tuple[Suite, ...]]:
        """The releases of this archive, for DebianSource's `releases`."""
        return {self.release: UBUNTU_RELEASES[self.release]}

    def add(self, name: str, version: str = "1.0", **deb: Any) -> Path:
        """Make a package whose members are packed with zstd, as Ubuntu's are."""
        return super().add(name, version, **({"packing": "zst", "control_packing": "zst"} | deb))

    def publish(self, *suites: str, days: float | None = None, **settings: Any) -> None:
        """Write and sign the indexes, without an expiry date by default."""
        super().publish(*suites, days=days, **settings)


@lru_cache(maxsize=256)
def read_control(data: bytes) -> str:
    """Return the control stanza of a .deb made here."""
    with _member(data, "control.tar") as tar:
        member = tar.extractfile("./control")
        assert member is not None
        return member.read().decode()


@lru_cache(maxsize=256)
def read_paths(data: bytes) -> tuple[str, ...]:
    """Return the paths of the files of a .deb made here, without directories."""
    with _member(data, "data.tar") as tar:
        return tuple(member.name.removeprefix("./") for member in tar if not member.isdir())


def _member(data: bytes, start: str) -> tarfile.TarFile:
    """Return a tar archive in a .deb."""
    at = 8
    while at < len(data):
        name, size = data[at : at + 16].decode().strip(), int(data[at + 48 : at + 58])
        body = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
        if name.startswith(start):
            if name.endswith(".zst"):
                import zstandard

                body = zstandard.ZstdDecompressor().decompress(body, max_output_size=1 << 24)
            return tarfile.open(fileobj=io.BytesIO(body))
    raise AssertionError(f"a .deb without {start}")
