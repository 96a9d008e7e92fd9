"""Test what fpack claims about an image that has only parts of a package, and what makes such a claim impossible."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.audit.contents import ImageEntry, ImageKnowledge, PackageFile, Payload
from fpack.builders.audit.evidence import CODE_NOT_IN_IMAGE, NOT_IN_IMAGE, judge, stem
from fpack.builders.audit.go_programs import GoModule, GoProgram
from fpack.builders.audit.model import (
    AFFECTED,
    FIXED,
    NOT_AFFECTED,
    UNDER_INVESTIGATION,
    Advisory,
    AffectedParts,
    BinaryPackage,
    Finding,
    Product,
)

LIBRARY, TOOL, OTHER = (f"{digit}" * 64 for digit in "123")


def shipped(path: str, sha256: str = LIBRARY, target: str = "", owner: tuple[int, int, int] = (0, 0, 0)) -> PackageFile:
    return PackageFile(path, "l" if target else "f", "" if target else sha256, target, owner)


def package(name: str, *files: PackageFile, source: str = "x", version: str = "1.0-1", **fields: Any) -> Payload:
    return Payload(name, version, "amd64", source, version, files, **fields)


def inside(file: PackageFile, owner: str = "") -> ImageEntry:
    return ImageEntry(file.path, file.kind, file.sha256, file.target, owner, file.owner)


LIBX = package("libx1", shipped("usr/lib/libx.so.1"))
TOOLS = package("x-tools", shipped("usr/bin/xtool", TOOL))
LIBY = package("liby1", shipped("usr/lib/liby.so.1", OTHER), source="y")
IN_IMAGE = (inside(LIBX.files[0], "libx1"), inside(LIBY.files[0], "liby1"))


def contents(*more: ImageEntry, payloads: tuple[Payload, ...] = (LIBX, LIBY, TOOLS), **fields: Any) -> ImageKnowledge:
    """Return an image that has libx1 and liby1, and not x-tools, which is of the same source as libx1."""
    known = {item.name: item for item in payloads}
    made = ImageKnowledge(
        entries=tuple(sorted((*IN_IMAGE, *more))), packages={"libx1": "x", "liby1": "y"}, payloads=known, fixed={}
    )
    return made._replace(**fields)


def found(
    fixed: str = "", ecosystem: str = "Debian", name: str = "x", binaries: str = "libx1", **parts: Any
) -> Finding:
    named = {kind: tuple(names) for kind, names in parts.items()}
    advisory = Advisory("CVE-2026-1", (), ecosystem, "trixie", name, (), parts=AffectedParts(**named))
    packages = tuple(BinaryPackage(binary, "1.0-1", "amd64", "0" * 64) for binary in binaries.split())
    return Finding(advisory, Product(ecosystem, "trixie", name, "1.0-1", "", packages), AFFECTED, fixed)


def status(finding: Finding, image: ImageKnowledge) -> str:
    judged = judge(finding, image)
    assert (judged.status == NOT_AFFECTED) == bool(judged.justification)
    assert judged.status != NOT_AFFECTED or judged.evidence
    return judged.status


def test_an_advisory_without_names_leaves_the_finding_as_it_is() -> None:
    assert judge(found(), contents()) == found()
    for other in (FIXED, NOT_AFFECTED):
        finding = found(files=["usr/bin/xtool"])._replace(status=other)
        assert judge(finding, contents()) == finding


@pytest.mark.parametrize("name", ["/usr/bin/xtool", "usr/bin/xtool", "xtool", "/bin/xtool"])
def test_a_named_file_that_the_image_lacks(name: str) -> None:
    judged = judge(found(files=[name]), contents())
    assert (judged.status, judged.justification) == (NOT_AFFECTED, CODE_NOT_IN_IMAGE)
    assert judged.evidence == (
        f"/{'usr/bin/' * ('/' in name)}xtool of x-tools (x 1.0-1) is not in the image",
        "looked for by path, name and content among all 2 files and links of the image",
    )


def test_a_named_file_that_the_image_has() -> None:
    for name in ("/usr/lib/libx.so.1", "/lib/libx.so.1"):
        judged = judge(found(files=[name, "xtool"]), contents())
        assert (judged.status, judged.evidence) == (AFFECTED, ("/usr/lib/libx.so.1 is in the image",))
        unclear = found(files=[name])._replace(status=UNDER_INVESTIGATION)
        assert judge(unclear, contents()).status == UNDER_INVESTIGATION  # whether the version is affected


@pytest.mark.parametrize(
    "entry",
    [
        inside(shipped("opt/renamed", TOOL)),  # the content under another name
        inside(shipped("usr/local/bin/xtool", OTHER)),  # the name with other content
        inside(shipped("usr/bin/xtool.distrib", OTHER)),
        inside(shipped("usr/bin/XTool-2.0", OTHER)),
        inside(shipped("usr/share/xtool.gz", OTHER)),
        inside(shipped("usr/bin/alias", target="../lib/x/xtool3")),  # a link that leads to such a file
    ],
)
def test_another_form_or_name_of_a_named_file(entry: ImageEntry) -> None:
    assert status(found(files=["/usr/bin/xtool"]), contents(entry)) in (AFFECTED, UNDER_INVESTIGATION)


def test_records_of_packages_are_no_form_of_a_file() -> None:
    entry = inside(shipped("var/lib/dpkg/status.d/xtool", OTHER))
    assert status(found(files=["/usr/bin/xtool"]), contents(entry)) == NOT_AFFECTED


def test_a_named_link_stands_for_what_it_leads_to() -> None:
    linked = package("x-tools", shipped("usr/bin/xtool", target="../lib/x/run"), shipped("usr/lib/x/run", TOOL))
    image = contents(payloads=(LIBX, LIBY, linked))
    assert status(found(files=["/usr/bin/xtool"]), image) == NOT_AFFECTED
    elsewhere = contents(inside(shipped("srv/start", TOOL)), payloads=(LIBX, LIBY, linked))
    assert status(found(files=["/usr/bin/xtool"]), elsewhere) == AFFECTED
    for target in ("/nowhere", "xtool", "../lib/libx.so.1"):
        lost = package("x-tools", shipped("usr/bin/xtool", target=target))
        assert status(found(files=["/usr/bin/xtool"]), contents(payloads=(LIBX, LIBY, lost))) != NOT_AFFECTED


@pytest.mark.parametrize("version", ["0.9-1", "1.0-1+b1", "1.0-2"])
def test_a_file_that_this_version_has_under_an_unknown_name(version: str) -> None:
    """A file that is in another version of a package can have had another name."""
    image = contents(payloads=(LIBX, LIBY, package("x-tools", *TOOLS.files, version=version)))
    assert status(found(files=["/usr/bin/xtool"]), image) == UNDER_INVESTIGATION
    assert status(found(files=["/usr/bin/unheard-of"]), contents()) == UNDER_INVESTIGATION


@pytest.mark.parametrize("parts", [{"files": ("/usr/bin/xtool",)}, {"binaries": ("x-tools",)}, {}])
@pytest.mark.parametrize("obstacle", ["uses", "unknown", "tool", "unknown tool"])
def test_copies_elsewhere_make_every_claim_impossible(parts: dict[str, Any], obstacle: str) -> None:
    finding = found(fixed="1.0-2")
    finding = finding._replace(advisory=finding.advisory._replace(parts=AffectedParts(**parts)))
    fixed = {("x", "1.0-2", name): item for name, item in (("libx1", LIBX), ("x-tools", TOOLS))}
    fields = {"fixed": {key: item._replace(version="1.0-2", source_version="1.0-2") for key, item in fixed.items()}}
    assert status(finding, contents(**fields)) == NOT_AFFECTED
    image = contents(**fields)
    if obstacle == "uses":
        image.payloads["liby1"] = LIBY._replace(uses=("x",))  # type: ignore[index]
    elif obstacle == "unknown":
        del image.payloads["liby1"]  # type: ignore[attr-defined]
    else:
        image = image._replace(tools=frozenset(["libx1" if obstacle == "tool" else "libz-dev"]))
    assert status(finding, image) in (AFFECTED, UNDER_INVESTIGATION)


def test_no_binary_of_the_source() -> None:
    nothing = found(name="z", binaries="")
    judged = judge(nothing, contents())
    assert (judged.status, judged.justification) == (NOT_AFFECTED, NOT_IN_IMAGE)
    assert judged.evidence == ("none of the 2 packages in the image is of the source z",)
    assert status(found(binaries=""), contents()) == AFFECTED  # libx1 is there, whatever the finding says
    assert status(nothing, contents(packages={"libx1": "x", "liby1": ""})) == AFFECTED  # of which source is liby1?
    assert status(nothing, contents(payloads=(LIBX, LIBY._replace(uses=("z",))))) == AFFECTED
    assert status(found(name="z", binaries="", ecosystem="npm"), contents()) == AFFECTED


def test_a_named_package_that_the_image_lacks() -> None:
    judged = judge(named("x-tools"), contents(fixed=X_TOOLS_LATER))
    assert (judged.status, judged.justification) == (NOT_AFFECTED, CODE_NOT_IN_IMAGE)
    assert judged.evidence[0] == "the package x-tools of x 1.0-1 is not in the image, nor is any of its files"
    assert status(named("libx1"), contents()) == AFFECTED
    assert status(named("x-tools", fixed=""), contents(fixed=X_TOOLS_LATER)) == UNDER_INVESTIGATION
    for name in ("x-tools", "x-toolst64", "x-*", "*", ""):
        image = contents(payloads=(LIBX, LIBY), fixed=X_TOOLS_LATER)
        assert status(named(name), image) == UNDER_INVESTIGATION  # it can be an earlier or later name of libx1


X_TOOLS_LATER = {("x", "1.0-2", "x-tools"): TOOLS._replace(version="1.0-2", source_version="1.0-2")}


def named(*names: str, fixed: str = "1.0-2") -> Finding:
    finding = found(fixed=fixed)
    return finding._replace(advisory=finding.advisory._replace(parts=AffectedParts(binaries=names)))


def test_files_of_a_named_package_in_another_one() -> None:
    for entry in (inside(shipped("opt/copy", TOOL)), inside(shipped("usr/bin/xtool", OTHER), "libx1")):
        assert status(named("x-tools"), contents(entry, fixed=X_TOOLS_LATER)) == UNDER_INVESTIGATION
    taker = LIBX._replace(takes_over=("x-tools",))
    image = contents(payloads=(taker, LIBY, TOOLS), fixed=X_TOOLS_LATER)
    assert status(named("x-tools"), image) == UNDER_INVESTIGATION


def test_files_that_a_named_package_takes_in_the_fixed_version() -> None:
    """The advisory names the package of the fixed version, and its file was in libx1 before."""
    assert status(named("x-tools"), contents(fixed=X_TOOLS_LATER)) == NOT_AFFECTED
    assert status(named("x-tools"), contents()) == UNDER_INVESTIGATION
    taking = {key: item._replace(takes_over=("libx1",)) for key, item in X_TOOLS_LATER.items()}
    assert status(named("x-tools"), contents(fixed=taking)) == UNDER_INVESTIGATION


def later(*files: PackageFile, **fields: Any) -> dict[tuple[str, str, str], Payload]:
    return {("x", "1.0-2", "libx1"): package("libx1", *files, version="1.0-2", **fields)}


def test_all_files_are_the_same_in_the_fixed_version() -> None:
    same = later(*LIBX.files, shipped("usr/share/doc/libx1/NEWS", OTHER))
    judged = judge(found(fixed="1.0-2"), contents(fixed=same))
    assert (judged.status, judged.justification) == (NOT_AFFECTED, CODE_NOT_IN_IMAGE)
    assert judged.evidence[0] == "the file of libx1 in the image is the same in x 1.0-2"


@pytest.mark.parametrize(
    "fixed",
    [
        {},
        later(shipped("usr/lib/libx.so.1", OTHER)),
        later(),
        later(shipped("usr/lib/libx.so.2")),
        later(*LIBX.files, shipped("etc/x/no-plugins.conf", OTHER)),  # the fix is a file more
        later(shipped("usr/lib/libx.so.1", owner=(0o755, 0, 0))),  # the fix is another mode
        later(*LIBX.files, scripts="x"),
        later(*LIBX.files, needs="libz1 (>= 2)"),
        {("x", "1.0-2", "libx1"): LIBX._replace(arch="arm64")},
    ],
)
def test_a_fixed_version_that_differs_or_is_not_known(fixed: Any) -> None:
    assert status(found(fixed="1.0-2"), contents(fixed=fixed)) == AFFECTED


def test_everything_of_the_source_counts_for_the_comparison() -> None:
    same = later(*LIBX.files)
    made = ImageEntry("var/cache/x.db", "f", OTHER, "", "libx1")  # by its maintainer script
    assert status(found(fixed="1.0-2"), contents(made, fixed=same)) == AFFECTED
    other = package("libx1", *LIBX.files, shipped("usr/lib/x/plugin.so", TOOL))
    copy = inside(shipped("opt/plugin", TOOL))  # of a file that the linked image left out
    image = contents(copy, payloads=(other, LIBY), fixed=same)
    assert status(found(fixed="1.0-2"), image) == AFFECTED
    replaced = contents(inside(shipped("usr/lib/y", OTHER)), fixed=same, excluded={"libx1": ("usr/lib/y",)})
    assert status(found(fixed="1.0-2"), replaced) == AFFECTED
    assert status(found(fixed="1.0-2", binaries="libx1 x-tools"), contents(fixed=same)) == AFFECTED
    assert status(found(fixed="0.9-1"), contents(fixed={("x", "0.9-1", "libx1"): LIBX})) == AFFECTED


PROGRAM = GoProgram(
    "usr/bin/app",
    "example.com/app",
    "go1.22",
    (GoModule("example.com/app", "(devel)"), GoModule("golang.org/x/net", "v0.1.0")),
    frozenset({"runtime.main", "main.main", "golang.org/x/net/html.Parse", "main.Own"}),
)
RENDER, PARSE = "golang.org/x/net/html.Render", "golang.org/x/net/html.Parse"


def go(*symbols: str, name: str = "golang.org/x/net") -> Finding:
    finding = found(ecosystem="Go", name=name, binaries="")
    return finding._replace(advisory=finding.advisory._replace(parts=AffectedParts(symbols=symbols)))


def test_functions_of_go_programs() -> None:
    image = contents(programs=(PROGRAM,))
    judged = judge(go(RENDER), image)
    assert (judged.status, judged.justification) == (NOT_AFFECTED, CODE_NOT_IN_IMAGE)
    assert judged.evidence[-1] == "looked for in /usr/bin/app"
    for symbols in ((PARSE,), (RENDER, PARSE), ("golang.org/x/net/html.(*Parse)",)):
        assert status(go(*symbols), image) == AFFECTED
    assert status(go("example.com/app.Own", name="example.com/app"), image) == AFFECTED
    assert status(go("example.com/app.None", name="example.com/app"), image) == NOT_AFFECTED
    assert status(go("net/http.Get", name="stdlib"), image) == NOT_AFFECTED
    for text in ("*", "golang.org/x/net/*", "", "a b", "a\x1b[2J"):
        assert status(go(text), image) == UNDER_INVESTIGATION


@pytest.mark.parametrize(
    "program",
    [
        PROGRAM._replace(unknown="its function table cannot be read"),
        PROGRAM._replace(modules=PROGRAM.modules[:1]),  # then where is the module?
        PROGRAM._replace(modules=(GoModule("golang.org/x/net", "", True), GoModule("example.com/fork", "", True))),
    ],
)
def test_go_programs_that_do_not_tell_enough(program: GoProgram) -> None:
    for image in (contents(programs=(program,)), contents(programs=(PROGRAM, PROGRAM._replace(unknown="?")))):
        assert status(go(RENDER), image) == UNDER_INVESTIGATION
    assert status(go(RENDER), contents(programs=(PROGRAM,), unread=("usr/bin/b",))) == UNDER_INVESTIGATION
    assert status(go(RENDER), contents()) == UNDER_INVESTIGATION


def test_evidence_is_one_printable_line_a_fact() -> None:
    entry = inside(shipped("usr/bin/xtool\n\x1b[31m", OTHER))
    judged = judge(found(files=["/usr/bin/xtool"]), contents(entry))
    assert all(fact.isprintable() for fact in judged.evidence)


def test_names_of_a_file_have_one_stem() -> None:
    names = ["libx.so.1", "libx.so", "libx.a", "LIBX-1.2.so", "libx2", "libx", ".libx.swp", "a/b/libx.so.1.distrib"]
    assert {stem(name) for name in names} == {"libx"}
    assert stem("7z") == "7z" and stem("1.2") == "1"
