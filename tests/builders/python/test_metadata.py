"""The metadata of wheels and source distributions, which may be damaged or hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from fpack.builders.python.metadata import DAMAGED, read_sdist, read_wheel
from fpack.builders.python.pages import links


def _sdist(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return path


def test_a_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", "Requires-Dist: b\nRequires-Python: >=3\n\nRequires-Dist: no\n")
    found = read_wheel(tmp_path / "a.whl")
    assert found.requires == ("b",) and found.requires_python == ">=3" and found.build is None


def test_a_source_distribution_is_believed_where_it_is_complete(tmp_path: Path) -> None:
    told = "Metadata-Version: 2.2\nRequires-Dist: b\n\n"
    found = read_sdist(_sdist(tmp_path / "a.tar.gz", {"a-1/PKG-INFO": told}), "a-1.tar.gz")
    assert found.requires == ("b",) and found.build
    files = {
        "a-1/PKG-INFO": "Metadata-Version: 1.2\n\n",
        "a-1/src/a.egg-info/requires.txt": "b\n\n[x]\nc\n\n[:os_name == 'nt']\nd\n",
        "a-1/pyproject.toml": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n',
    }
    found = read_sdist(_sdist(tmp_path / "b.tar.gz", files), "a-1.tar.gz")
    assert found.requires == ("b", 'c ; extra == "x"', "d ; (os_name == 'nt')") and found.build == ("flit_core",)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x00", b"PK\x03\x04", b"x" * 1000])
def test_damaged_archives(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    for read in (lambda: read_wheel(tmp_path / "a"), lambda: read_sdist(tmp_path / "a", "a-1.tar.gz")):
        with pytest.raises(DAMAGED):
            read()


def _many(path: Path) -> Path:
    """Make a zip whose files of requirements have 72 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(9):
            archive.writestr(f"a-1/requirements-{number}.txt", b"\n" * (8 << 20))
    return path


def test_files_of_requirements_are_bounded_together(tmp_path: Path) -> None:
    with pytest.raises(DAMAGED, match="more than 64 MB"):
        read_sdist(_many(tmp_path / "a.zip"), "a-1.zip")


def test_a_header_that_claims_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = b"x", 3 << 30
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(1 << 20))
    with pytest.raises(DAMAGED, match="pax header is too long"):
        read_sdist(tmp_path / "a.tar.gz", "a-1.tar.gz")


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz", ""])
def test_each_compression_is_read(tmp_path: Path, mode: str) -> None:
    with tarfile.open(tmp_path / "a", f"w:{mode}") as packed:  # type: ignore[call-overload]
        for name, text in (("./a-1/x", "y" * 1000), ("./a-1/setup.py", "setup(install_requires=['b'])\n")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    assert read_sdist(tmp_path / "a", "a-1.tar").requires == ("b",)


def test_a_page_says_what_a_file_needs() -> None:
    page = f"""<a href="a-1-py3-none-any.whl#sha256={"0" * 64}" data-requires-python="&gt;=3.9"
      data-core-metadata="sha256={"1" * 64}" data-yanked="broken">a</a>"""
    (file,) = links(page, "https://index.example.org/a/")
    assert file.requires_python == ">=3.9" and file.metadata == "1" * 64 and file.yanked


def test_a_page_with_a_malformed_link_has_the_others() -> None:
    page = f"""<a href="https://[">a</a> <a href="a-1-py3-none-any.whl#sha256={"0" * 64}">a</a>"""
    assert [file.name for file in links(page, "https://index.example.org/a/")] == ["a-1-py3-none-any.whl"]
