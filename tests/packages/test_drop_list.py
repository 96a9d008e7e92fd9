"""The drop list takes documentation and the like from the 2,000 most installed packages, and nothing that they are for.

The files of all packages come from Debian's Contents indexes, the ranking from `draw`. Each dropped file must be of a
category below, and no category may take what belongs to the package's own program.

    PYTHONPATH=tests python tests/packages/test_drop_list.py [NUMBER]

prints the figures, of so many packages if a number is given.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.payload.globs import Globs, merged
from packages import draw

MOST_INSTALLED = 2000
_AT_ONCE = 500  # packages whose rules one call computes: a container has no more
RELEASE = "trixie"

# What a dropped file may be, by its path. The first that matches counts.
CATEGORIES = {
    "manuals": r"usr/share/(man/([\w.@-]+/)?man\d\w*/[^/]+|info/.+)",
    # No program may need a file of /usr/share/doc: Debian Policy, 12.3.
    "documentation": r"usr/share/doc/.+",
    "files for bug reports": r"usr/share/bug/.+",
    "files for lintian": r"usr/share/lintian/(overrides|profiles)/.+",
    "lists of documents": r"usr/share/doc-base/[^/]+",
    "completions of shells": r"usr/share/(bash-completion/completions/.+|zsh/(vendor-completions|site-functions)/_.+|"
    r"fish/((vendor_)?completions|vendor_functions|vendor_conf)(\.d)?/.+\.fish)",
    "translations": r"usr/share/locale/[\w.@-]+/LC_(MESSAGES|TIME|SCRIPTS)/.+",
    "jobs of cron": r"etc/cron\.(d|hourly|daily|weekly|monthly)/.+",
    "scripts of SysV init": r"etc/init\.d/[^/]+",
    "units and hooks of systemd": r"usr/lib/systemd/((system|user|(system|user)-((environment-)?generators|preset)|"
    r"system-(sleep|shutdown)|network|ntp-units\.d|\w+\.conf\.d)/.+|selinux-autorelabel)",
    "declarations of users and directories": r"usr/lib/(sysusers|tmpfiles)\.d/[^/]+\.conf",
    "entries of desktop menus": r"usr/share/(menu/[^/]+|applications/(.+/)?[^/]+\.desktop|"
    r"pixmaps/[^/]+\.(png|xpm|svg)|icons/([^/]+\.(png|svg)|(hi|lo)color/[^/]+/(apps|mimetypes)/.+))",
    "modules of iconv": r"usr/lib/[^/]+/gconv/.+",
    "libraries for tracing": r"usr/lib/[^/]+/(audit/.+|lib(c_malloc_debug|memusage|pcprofile)\.so(\.0)?)",
    "engines of OpenSSL": r"usr/lib/[^/]+/engines-3/.+",
    "printers of debuggers": r"usr/share/(gcc|gdb)/.+\.py",
}

# Which packages a category belongs to, by the package's name: what these have of it is their function.
OWNERS = {
    "manuals": r"manpages(-.+)?",
    "files for bug reports": r"reportbug",
    "files for lintian": r"lintian",
    "lists of documents": r"doc-base",
    "completions of shells": r"(bash-completion|zsh|fish)(-.+)?",
    "jobs of cron": r"(ana)?cron(ie|-.+)?|systemd-cron|bcron(-.+)?",
    "scripts of SysV init": r"initscripts|sysv-rc|sysvinit-core|orphan-sysvinit-scripts",
    "units and hooks of systemd": r"(lib(nss|pam)-)?systemd(-.+)?|udev",
    "declarations of users and directories": r"systemd(-.+)?|udev",
    "entries of desktop menus": r"menu|.+-icon-theme|.+-themes?",
}
# By Debian's section, for packages without programs that the user lists. A description of the package itself, such as
# its list of changes, is none of its function.
SECTIONS = {"manuals": "doc", "documentation": "doc", "translations": "localization"}
OF_ITSELF = re.compile(r".*/(changelog|NEWS|README|copyright)[^/]*|usr/share/doc/[^/]+")
OF_PACKAGES = ("manuals", "documentation", "files for", "lists of")
PROGRAM = re.compile(r"usr/s?bin/.+")

# Packages of which nothing but the copyright remains, although they are not listed: all of it is of these categories.
MAY_BE_EMPTIED = {
    *("translations", "completions of shells"),
    *("units and hooks of systemd", "declarations of users and directories"),
}


class Drops(NamedTuple):
    """Dropped files. files: of all packages. taken: (package, path, category or "") of each dropped file. emptied:
    packages of which nothing but documentation remains, and the other categories. programs: packages with programs."""

    files: int
    taken: list[tuple[str, str, str]]
    emptied: dict[str, set[str]]
    programs: set[str]

    def wrong(self, sections: Mapping[str, str], is_listed: bool) -> dict[str, list[str]]:
        """Return the files that should not have been taken, by package."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for package, path, category in self.taken:
            owners = OWNERS.get(category)
            is_function = (
                is_listed
                and package not in self.programs
                and sections.get(package, "").rpartition("/")[2] == SECTIONS.get(category, "none")
                and not OF_ITSELF.fullmatch(path)
            )
            if not category or (owners is not None and re.fullmatch(owners, package)) or is_function:
                found[package].append(path)
        for package, categories in self.emptied.items():
            if not categories <= MAY_BE_EMPTIED:
                found[package].append(f"everything: {', '.join(sorted(categories))}")
        return dict(found)


def drops(files: Mapping[str, Iterable[str]], rules: Mapping[str, list[str]]) -> Drops:
    """Apply the rules of packages to their files."""
    categories = {name: re.compile(pattern) for name, pattern in CATEGORIES.items()}
    compiled: dict[tuple[str, ...], Globs] = {}
    count = 0
    taken: list[tuple[str, str, str]] = []
    emptied: dict[str, set[str]] = {}
    programs: set[str] = set()
    for package, paths in files.items():
        key = tuple(rules[package])
        globs = compiled.get(key) or compiled.setdefault(key, Globs(key))
        mine: set[str] = set()
        left = 0
        for path in map(merged, paths):
            count += 1
            if PROGRAM.fullmatch(path):
                programs.add(package)
            if path == f"usr/share/doc/{package}/copyright" or not globs.covers(path):
                left += not path.startswith("usr/share/doc/")
                continue
            category = next((name for name, pattern in categories.items() if pattern.fullmatch(path)), "")
            taken.append((package, path, category))
            mine.add(category)
        rest = {category for category in mine if not category.startswith(OF_PACKAGES)}
        if not left and rest:
            emptied[package] = rest
    return Drops(count, taken, emptied, programs)


def rules_of(names: Iterable[str], *, linked: bool, listed: bool) -> dict[str, list[str]]:
    """Return the globs that the standard library drops from each package."""
    rules: dict[str, list[str]] = {}
    every = list(names)
    for start in range(0, len(every), _AT_ONCE):
        rules |= _rules_of(every[start : start + _AT_ONCE], linked, listed)
    return rules


def _rules_of(names: Iterable[str], linked: bool, listed: bool) -> dict[str, list[str]]:
    none = "rule = { keep = null, drop = [], setuid = [] }"
    found = ", ".join(f'{{ name = "{name}", {none} }}' for name in names)
    text = f"""let found = [{found}] in map-record(import("fpack/rules").table(
        found, {"found" if listed else "[]"}, {{}}, {str(linked).lower()}, null, []), (name, r) => r.drop)"""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "rules.fp")
        file.write_text(f"rules = {text}\n")
        program = Path(sys.executable).with_name("fpack")
        done = subprocess.run([program, "eval", "--json", f"{file}#rules"], capture_output=True, text=True, check=True)
    rules: dict[str, list[str]] = json.loads(done.stdout)
    return rules


def most_installed(number: int = MOST_INSTALLED) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the files of the most installed packages of the release, and each package's section."""
    text = lzma.decompress(draw.fetch(f"dists/{RELEASE}/main/binary-amd64/Packages.xz")).decode()
    sections: dict[str, str] = {}
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Section): *(.*)$", stanza, re.MULTILINE))
        sections[fields.get("Package", "")] = fields.get("Section", "")
    names = [name for name in draw.ranking() if name in sections][:number]
    files: dict[str, list[str]] = {name: [] for name in names}
    for arch in ("amd64", "all"):
        for path, owners in _lines(draw.fetch(f"dists/{RELEASE}/main/Contents-{arch}.gz")):
            for owner in owners.split(","):
                listed = files.get(owner.rpartition("/")[2])
                if listed is not None:
                    listed.append(path)
    return files, sections


def _lines(packed: bytes) -> Iterator[tuple[str, str]]:
    """Yield the path and the packages of each line of a Contents index."""
    with gzip.open(io.BytesIO(packed), "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            path, _, owners = line.rstrip("\n").rpartition(" ")
            yield path.rstrip(), owners


MODES = [(linked, listed) for linked in (False, True) for listed in (False, True)]


@pytest.mark.network
def test_the_drop_list_takes_nothing_that_a_package_is_for() -> None:
    files, sections = most_installed()
    assert len(files) == MOST_INSTALLED and sum(map(len, files.values())) > 100_000
    wrong = {}
    for linked, listed in MODES:
        found = drops(files, rules_of(files, linked=linked, listed=listed))
        assert len(found.taken) > 10_000
        if bad := found.wrong(sections, listed):
            wrong[f"{linked=} {listed=}"] = {name: paths[:3] for name, paths in bad.items()}
    assert wrong == {}


FILES = {
    "zsh-common": ["usr/share/zsh/functions/Completion/Unix/_git", "usr/share/zsh/site-functions/_x"],
    "git": [
        "usr/share/zsh/vendor-completions/_git",
        "usr/share/doc/git/README",
        "usr/share/doc/git/copyright",
        "usr/bin/git",
    ],
    "theme": ["usr/share/icons/Theme/16x16/actions/a.png"],
    "tool-doc": ["usr/share/doc/tool/index.html"],
}


def test_what_counts_as_wrong() -> None:
    """The test sees a rule that takes a shell's own functions, an unknown kind of file, and a whole package."""
    good = drops(FILES, rules_of(FILES, linked=True, listed=True))
    assert good.files == 8 and [path for _, path, _ in good.taken] == [FILES["git"][0], FILES["git"][1]]
    assert good.wrong({"tool-doc": "doc"}, True) == {}
    bad = drops(FILES, dict.fromkeys(FILES, ["/usr/share/zsh", "/usr/share/icons", "/usr/share/doc"]))
    assert set(bad.wrong({"tool-doc": "doc"}, True)) == {"zsh-common", "theme", "tool-doc"}
    assert set(bad.wrong({"tool-doc": "doc"}, False)) == {"zsh-common", "theme"}
    assert ("git", FILES["git"][2], "documentation") not in bad.taken


def test_documentation_that_is_not_named_so_is_kept_where_it_is_listed() -> None:
    names = ["debian-handbook", "developers-reference-fr", "gimp-help-common", "debian-policy", "git"]
    listed = rules_of([*names, "cron-apt"], linked=False, listed=True)
    assert ["/usr/share/doc" in listed[name] for name in names] == [False, False, False, False, True]
    assert "/etc/cron.*" not in listed["cron-apt"] and "/etc/cron.*" in listed["git"]
    assert "/usr/share/doc" in rules_of(names, linked=False, listed=False)["debian-handbook"]


def main() -> None:
    """Print the figures of each kind of closure."""
    files, sections = most_installed(*map(int, sys.argv[1:]))
    for linked, listed in MODES:
        found = drops(files, rules_of(files, linked=linked, listed=listed))
        wrong = found.wrong(sections, listed)
        print(
            f"linked={linked} listed={listed}: {found.files} files of {len(files)} packages, {len(found.taken)} dropped"
        )
        print(f"  wrong: {sum(map(len, wrong.values()))} of {len(wrong)} packages")
        for name, paths in wrong.items():
            print(f"    {name} {len(paths)} {paths[:2]}")
        for name, count in Counter(category or "?" for _, _, category in found.taken).most_common():
            print(f"  {count:6} {name}")


if __name__ == "__main__":
    main()
