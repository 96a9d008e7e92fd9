"""The packages that lock files of Cargo and Bundler name."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.lock_files import LockedPart, bundler, cargo

CARGO = f"""
version = 4

[[package]]
name = "greeter"
version = "0.1.0"
dependencies = ["serde"]

[[package]]
name = "serde"
version = "1.0.2"
source = "registry+https://index.example.org/"
checksum = "{"a" * 64}"

[[package]]
name = "patched"
version = "0.3.0+meta"
source = "git+https://git.example.org/patched#abc"
"""
GEMS = f"""\
GEM
  remote: https://gems.example.org/
  specs:
    nokogiri (1.16.0)
      racc (~> 1.4)
    nokogiri (1.16.0-x86_64-linux)
    rack-test (2.1.0)
      rack (>= 1.3)

PATH
  remote: .
  specs:
    own (1.0)

PLATFORMS
  ruby

CHECKSUMS
  rack-test (2.1.0) sha256={"b" * 64}
"""


def test_crates_from_elsewhere_are_told_with_their_digests() -> None:
    assert cargo(CARGO) == [
        LockedPart("cargo", "patched", "0.3.0+meta"),
        LockedPart("cargo", "serde", "1.0.2", "a" * 64),
    ]


def test_gems_are_told_once_for_all_platforms() -> None:
    assert bundler(GEMS) == [LockedPart("gem", "nokogiri", "1.16.0"), LockedPart("gem", "rack-test", "2.1.0", "b" * 64)]


@pytest.mark.parametrize("text", ["package = 1", "package = [1]", "=", "[[package]]\nsource = 'x'"])
def test_a_malformed_lock_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        cargo(text)


def test_other_text_names_no_gem() -> None:
    assert bundler("") == bundler("GEM\n nothing (here\n") == []
