"""Test the order of mirrors and the parsing of apt's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.debian.mirrors import (
    SNAPSHOT,
    MirrorError,
    Mirrors,
    MirrorUrl,
    configured,
    find_mirrors,
    parse_base,
    parse_deb822,
    parse_one_line,
)
from fpack.store.settings import SettingError

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z
FILE = "pool/main/h/hello/hello_1.0+x~1_amd64.deb"


def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def configure(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config" / "fpack" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_order(tmp_path: Path) -> None:
    configure(
        tmp_path, '[debian]\nmirror = ["http://user.example/debian"]\nsecurity-mirror = ["http://user.example/sec"]'
    )
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt" / "sources.list").write_text("deb http://apt.example/debian bookworm main\n")
    environ = home(tmp_path) | {"FPACK_MIRROR": "debian=http://env.example/d http://env2.example/debian/"}
    mirrors = find_mirrors(environ=environ, apt=tmp_path / "apt", now=lambda: NOW)
    assert mirrors.urls("debian", FILE) == [
        f"http://env.example/d/{FILE}",
        f"http://env2.example/debian/{FILE}",
        f"http://user.example/debian/{FILE}",
        f"http://apt.example/debian/{FILE}",
        f"{SNAPSHOT}/debian/20250615T150640Z/{FILE}",
    ]
    assert mirrors.urls("debian-security", "dists/x") == [
        "http://env2.example/debian-security/dists/x",
        "http://user.example/sec/dists/x",
        f"{SNAPSHOT}/debian-security/20250615T150640Z/dists/x",
    ]


def test_an_option_takes_the_place_of_the_variable(tmp_path: Path) -> None:
    environ = home(tmp_path) | {"FPACK_MIRROR": "http://env.example/debian"}
    urls = find_mirrors("http://option.example/debian", environ=environ, apt=tmp_path).urls("debian", "x")
    assert urls[0] == "http://option.example/debian/x"
    assert not any("env.example" in url for url in urls)


def test_only(tmp_path: Path) -> None:
    configure(tmp_path, '[debian]\nmirror = ["http://user.example/debian"]')
    mirrors = find_mirrors("debian=file:///m/debian only", environ=home(tmp_path), apt=tmp_path)
    assert mirrors.urls("debian", "x") == ["file:///m/debian/x"]
    assert mirrors.urls("debian-security", "x") == []


def test_the_snapshot_is_of_the_locked_date() -> None:
    mirrors = Mirrors([], now=lambda: NOW)
    (url,) = mirrors.urls("debian", "x", date=1_700_000_000)  # 2023-11-14T22:13:20Z, and the delay
    assert url == f"{SNAPSHOT}/debian/20231115T041320Z/x"
    (url,) = mirrors.urls("debian", "x", date=int(NOW) - 60)  # never in the future
    assert "/20250615T150640Z/" in url


def test_the_snapshot_archive_of_the_machine(tmp_path: Path) -> None:
    """apt's configuration takes precedence over Debian's archive, and overrides over what they override."""
    parts = tmp_path / "apt.conf.d"
    parts.mkdir()
    (parts / "10").write_text('Acquire::Snapshots::URI::Origin::Debian "http://s.example/a/debian/@SNAPSHOTID@/";\n')
    mirrors = find_mirrors(environ=home(tmp_path), apt=tmp_path, now=lambda: NOW)
    assert mirrors.urls("debian", "x") == ["http://s.example/a/debian/20250615T150640Z/x"]
    assert mirrors.urls("debian-security", "x") == ["http://s.example/a/debian-security/20250615T150640Z/x"]
    (tmp_path / "apt.conf").write_text(
        'acquire::snapshots::uri::override::origin::debian "https://o.example/@SNAPSHOTID@";\n'
        '  Acquire::Snapshots::URI::Label::Debian-Security "https://s.example/@SNAPSHOTID@/sec";\n'
        '// Acquire::Snapshots::URI::Override::Label::Debian-Security "https://no.example/@SNAPSHOTID@";\n'
        'Acquire::Snapshots::URI::Override::Label::Debian-Security "ftp://no.example/@SNAPSHOTID@";\n'
        'Acquire::Snapshots::URI::Override::Label::Debian-Security "https://no.example/";\n'
    )
    mirrors = find_mirrors(environ=home(tmp_path), apt=tmp_path, now=lambda: NOW)
    assert mirrors.urls("debian", "x") == ["https://o.example/20250615T150640Z/x"]
    assert mirrors.urls("debian-security", "x") == ["https://s.example/20250615T150640Z/sec/x"]
    only = find_mirrors("debian=file:///m/debian only", environ=home(tmp_path), apt=tmp_path)
    assert only.urls("debian-security", "x") == []


def test_mirror_urls() -> None:
    mirrors = Mirrors(
        [MirrorUrl("debian", "http://m.example/debian"), MirrorUrl("debian-security", "http://s.example")],
        now=lambda: NOW,
    )
    mirrors.dated = lambda archive, path: 1_700_000_000 if (archive, path) == ("debian", "pool/a") else None
    assert mirrors.expand("mirror://debian/pool/a") == [
        "http://m.example/debian/pool/a",
        f"{SNAPSHOT}/debian/20231115T041320Z/pool/a",
    ]
    assert mirrors.expand("mirror://debian-security/pool/b")[0] == "http://s.example/pool/b"
    assert mirrors.expand("https://example.org/x") == ["https://example.org/x"]


@pytest.mark.parametrize(
    "url", ["mirror://debian", "mirror://ubuntu/x", "mirror://debian/../x", "mirror://debian//etc", "mirror://debian/"]
)
def test_wrong_mirror_urls(url: str) -> None:
    with pytest.raises(MirrorError):
        Mirrors([]).expand(url)


@pytest.mark.parametrize(
    ("word", "bases"),
    [
        (
            "http://m/debian/",
            [MirrorUrl("debian", "http://m/debian"), MirrorUrl("debian-security", "http://m/debian-security")],
        ),
        (
            "http://m",
            [
                MirrorUrl("debian", "http://m/debian"),
                MirrorUrl("debian-security", "http://m/debian-security"),
                MirrorUrl("ubuntu", "http://m/ubuntu"),
            ],
        ),
        ("http://m/ubuntu", [MirrorUrl("ubuntu", "http://m/ubuntu")]),
        ("http://m/ubuntu-ports/", [MirrorUrl("ubuntu", "http://m/ubuntu-ports")]),
        ("ubuntu=http://m/other", [MirrorUrl("ubuntu", "http://m/other")]),
        ("ubuntu-ports=http://m/other", [MirrorUrl("ubuntu", "http://m/other")]),
        ("http://m/debian-security", [MirrorUrl("debian-security", "http://m/debian-security")]),
        ("debian=file:///x", [MirrorUrl("debian", "file:///x")]),
        (
            "http://s/archive/debian/20250101T000000Z",
            [
                MirrorUrl("debian", "http://s/archive/debian/20250101T000000Z"),
                MirrorUrl("debian-security", "http://s/archive/debian-security/20250101T000000Z"),
            ],
        ),
    ],
)
def test_bases(word: str, bases: list[MirrorUrl]) -> None:
    assert parse_base(word) == bases


@pytest.mark.parametrize("word", ["ftp://x/debian", "nonsense", "fedora=http://x", "debian=", "http://x/debian?y"])
def test_wrong_bases(word: str) -> None:
    with pytest.raises(MirrorError):
        parse_base(word)


@pytest.mark.parametrize("text", ["[debian", "[debian]\nmirror = 3", '[debian]\nmirror = ["x"]', "debian = 1"])
def test_a_wrong_configuration_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises((MirrorError, SettingError)):
        configured(str(configure(tmp_path, text)))


def test_no_configuration(tmp_path: Path) -> None:
    assert configured(str(tmp_path / "none")) == []


def test_apt_one_line() -> None:
    text = """
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://a.example/debian bookworm main contrib  # and this
deb-src http://source.example/debian bookworm main
deb http://b.example/debian-security bookworm-security main
deb http://b.example/debian-security bookworm/updates main
deb http://c.example/debian trixie-security main
deb https://download.third.example/linux/debian bookworm stable
deb https://third.example/debian nodistro main
deb http://archive.example/ubuntu noble main
deb cdrom:[Debian]/ bookworm main
deb http://short.example/debian
deb copy:/srv/debian bookworm main
"""
    assert list(dict.fromkeys(parse_one_line(text))) == [
        MirrorUrl("debian", "http://a.example/debian"),
        MirrorUrl("debian-security", "http://b.example/debian-security"),
        MirrorUrl("debian-security", "http://c.example/debian"),
        MirrorUrl("debian", "file:/srv/debian"),
    ]


def test_apt_deb822() -> None:
    text = """# a comment
Types: deb deb-src
# http://snapshot.example/archive
URIs: http://a.example/debian/ http://b.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 xyz

Types: deb
URIs: http://a.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://third.example/node
Suites: nodistro
Components: main
"""
    assert parse_deb822(text) == [
        MirrorUrl("debian", "http://a.example/debian"),
        MirrorUrl("debian", "http://b.example/debian"),
        MirrorUrl("debian-security", "http://a.example/debian-security"),
    ]


def test_broken_apt_files_are_passed_over(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a.sources").write_text("this is\nnot control data\n")
    (parts / "b.sources").write_bytes(
        b"Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\n# \xff\n"
    )
    (parts / "c.list.save").write_text("deb http://old.example/debian sid main\n")
    (parts / "d.list").symlink_to(tmp_path / "nowhere")
    mirrors = find_mirrors("", environ=home(tmp_path), apt=tmp_path)
    assert mirrors.bases == [MirrorUrl("debian", "http://a.example/debian")]
