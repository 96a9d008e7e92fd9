"""Test that a list of missing names becomes a few lines, each of which adds a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from fpack.cli.trial.findings import MOST, ClosurePackage, DropRules, TrialFinding, find
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source

RULES = DropRules(("/usr/share/doc", "/usr/share/man"), {"libc6": ("/usr/lib/*/gconv",)})


def package(
    name: str,
    *files: str,
    inside: bool = True,
    keep: Sequence[str] | None = None,
    drop: Sequence[str] = (),
) -> ClosurePackage:
    return ClosurePackage(
        name, inside, None if keep is None else tuple(keep), tuple(drop), lambda wanted: wanted & set(files)
    )


def found(
    *absent: str,
    closure: Sequence[ClosurePackage] = (),
    files: Sequence[str] = (),
    contents: Mapping[str, Sequence[str]] | None = None,
    linked: bool = False,
    succeeded: bool = False,
) -> list[TrialFinding]:
    names = [name.encode("utf-8", "surrogateescape") for name in absent]
    return find(names, closure, files, lambda: RULES, lambda paths: contents or {}, linked, succeeded)


@pytest.mark.parametrize(
    ("closure", "linked", "kind", "line"),
    [
        (package("a", "usr/share/x", keep=["/usr/bin"]), False, "dropped",
         'rules = { a = { keep = ["/usr/bin", "/usr/share/x"] } }'),
        (package("a", "usr/share/x", keep=[f"/usr/lib/file-{n}" for n in range(40)]), False, "dropped",
         'rules = { a = { keep = ["/**"] } }'),
        (package("a", "usr/share/x", drop=["/usr/share"]), False, "dropped", ""),
        (package("a+", "usr/share/x", inside=False), False, "left out", ""),
        (package("a", "usr/share/x", inside=False), True, "left out", 'wants = ["/usr/share/x"]'),
    ],
)  # fmt: skip
def test_the_line_depends_on_the_reason(closure: ClosurePackage, linked: bool, kind: str, line: str) -> None:
    (finding,) = found("/usr/share/x", "/usr/share/unknown", closure=[closure], linked=linked)
    assert finding == TrialFinding(("/usr/share/x",), closure.name, kind, line)


def test_fpacks_own_rules_have_lines_of_their_own() -> None:
    drop = ["/usr/share/doc", "/usr/share/man"]
    (finding,) = found("/usr/share/doc/a/x", closure=[package("a", "usr/share/doc/a/x", drop=drop)])
    assert finding.line == 'drop = ["/usr/share/man"]'
    lean = package("libc6", "usr/lib/x/gconv/a.so", drop=["/usr/lib/*/gconv"])
    assert found("/lib/x/gconv/a.so", closure=[lean])[0].line == 'rules = { libc6 = { keep = ["/**"] } }'
    long = [f"/usr/share/documentation-{number}" for number in range(20)]
    rules = DropRules((*long, "/usr/share/doc"), {})
    package_ = package("a", "usr/share/doc/a/x", drop=[*long, "/usr/share/doc"])
    (finding,) = find([b"/usr/share/doc/a/x"], [package_], (), lambda: rules, lambda paths: {}, False)
    assert finding.line == "drop = []"


def test_lines_are_of_the_language() -> None:
    closure = [
        package("a+", "usr/share/a", keep=["/usr/bin"]), package("b", "usr/share/doc/b", drop=["/usr/share/doc"]),
        package("libc6", "usr/lib/x/gconv/a.so", drop=["/usr/lib/*/gconv"]), package("c", "opt/c", inside=False),
    ]  # fmt: skip
    result = found("/usr/share/a", "/usr/share/doc/b", "/lib/x/gconv/a.so", "/opt/c", closure=closure, linked=True)
    assert len(result) == 4 and all(finding.line for finding in result)
    for finding in result:
        parse(Source("fpack.fp", f"image = container {{ {finding.line} }}"), None)


def test_a_command_that_succeeded_lacks_only_programs() -> None:
    closure = [package("a", "usr/share/a", "usr/bin/a", "usr/lib/liba.so.1", drop=["/usr"])]
    (finding,) = found("/usr/share/a", "/usr/bin/a", "/usr/lib/liba.so.1", closure=closure, succeeded=True)
    assert finding.paths == ("/usr/bin/a",)


@pytest.mark.parametrize(
    "path",
    ["/etc/gai.conf", "/etc/nsswitch.conf", "/usr/lib/x/gconv/gconv-modules.cache", "/lib/x/gconv/gconv-modules.d/a",
     "/usr/lib/locale/locale-archive", "/usr/lib/locale/C.utf8/LC_CTYPE", "/usr/share/locale/de/LC_MESSAGES/a.mo",
     "/usr/share/man/man1/postfix.1.gz", "/usr/share/doc/a/changelog.Debian.gz", "/usr/share/info/a.info"],
)  # fmt: skip
def test_files_that_programs_do_without_are_no_findings(path: str) -> None:
    inside = path.removeprefix("/").replace("lib/x", "usr/lib/x") if path.startswith("/lib/") else path[1:]
    assert not found(path, closure=[package("a", inside, drop=["/usr"])], contents={path: ("b",)})
    assert found("/usr/lib/x/gconv/IBM037.so", closure=[package("a", "usr/lib/x/gconv/IBM037.so", drop=["/usr"])])


def test_packages_of_debian_are_named() -> None:
    (finding,) = found("/bin/foo", "/usr/bin/bar", contents={"/usr/bin/foo": ("foobar", "foo", "libfoo-extra")})
    assert finding == TrialFinding(("/usr/bin/foo",), "foo", "package", "")


def test_a_package_that_the_image_has_elsewhere_is_no_finding() -> None:
    assert not found("/usr/bin/foo", closure=[package("foo")], contents={"/usr/bin/foo": ("foo",)})
    (left_out,) = found("/usr/bin/foo", closure=[package("foo", inside=False)], contents={"/usr/bin/foo": ("foo",)})
    assert left_out.kind == "left out"


def test_a_package_whose_files_are_unknown_is_told_by_the_index() -> None:
    """An image of another machine: the store does not have its payloads."""
    for inside, kind in ((True, "dropped"), (False, "left out")):
        unknown = package("foo", inside=inside)._replace(files=None)
        (finding,) = found("/usr/bin/foo", closure=[unknown], contents={"/usr/bin/foo": ("foo",)})
        assert finding.kind == kind


def test_search_paths_are_no_findings() -> None:
    tried = ("/usr/local/bin/foo", "/lib/glibc-hwcaps/x86-64-v3/libz.so.1", "/proc/1/x", "/tmp/foo", "/")
    contents = dict.fromkeys((*tried, "/usr/lib/glibc-hwcaps/x86-64-v3/libz.so.1"), ("a",))
    assert not found(*tried, files=["usr/bin/foo", "usr/lib/libz.so.1"], contents=contents)


def test_findings_are_ranked_joined_and_few() -> None:
    many = [f"/usr/share/p{number}/file" for number in range(3 * MOST)]
    closure = [package(f"p{number}", f"usr/share/p{number}/file", drop=["/usr"]) for number in range(3 * MOST)]
    closure.append(package("tools", "usr/bin/one", "usr/bin/two", drop=["/usr"]))
    result = found(*many, "/usr/bin/one", "/usr/bin/two", closure=closure)
    assert len(result) == MOST
    assert result[0].paths == ("/usr/bin/one", "/usr/bin/two"), "programs come first"


def test_lines_quote_what_the_language_would_read() -> None:
    odd = 'usr/share/"${x}\x1b'
    (finding,) = found(f"/{odd}", closure=[package("a", odd, inside=False)], linked=True)
    assert finding.line == 'wants = ["/usr/share/\\"\\${x}\\u001b"]'
