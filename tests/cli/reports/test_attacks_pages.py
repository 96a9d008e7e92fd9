"""Images whose names, settings and manifest try to run a script in a page, to hide, or to make it endless."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.builders.manifest.format import ManifestEntry
from fpack.cli.images import file_bills
from fpack.cli.images.inspect import ImageLayer, ImageSlice
from fpack.cli.images.subject import of_file
from fpack.cli.reports import contents, image_sections, page
from fpack.cli.reports.graph import package_graph
from fpack.cli.reports.model import Drawing, ReportPage
from fpack.cli.reports.subject_data import collect
from support.attacks.hostile_names import FILE_NAMES, MARK, hostile_image
from support.images.greeter import Greeter
from support.images.many_files import ManyFiles
from support.processes.browser import DESKTOP, PHONE, Tab, needs_browser
from support.processes.program import Fpack


@pytest.fixture(scope="module")
def pages(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages about a hostile image, by verb, made where there is no store."""
    folder = tmp_path_factory.mktemp("hostile")
    image = hostile_image(made.tar, folder / "evil.tar")
    fpack = Fpack(folder / "home")
    fpack("size", image, f"--html={folder / 'size.html'}")
    for verb in ("graph", "report"):
        fpack(verb, image, "--html", "-o", folder / f"{verb}.html")
    fpack("graph", image, "--svg", "-o", folder / "graph.svg")
    return {path.name: path for path in folder.glob("*.*")}


@pytest.mark.parametrize("name", ["size.html", "graph.html", "report.html"])
def test_a_page_has_no_markup_and_no_hidden_character_of_an_image(pages: dict[str, Path], name: str) -> None:
    text = pages[name].read_bytes().decode("ascii")
    assert text.count("<script") == 2 and text.count("</script>") == 2 and "<img" not in text
    for letter in ("\\u202e", "\\u2066", "\\u200b", "\\ufeff", "\\u001b", "\\udcff"):
        assert text.replace("\\\\", "").count(letter) == 0, letter


def test_names_that_are_not_utf_8_and_very_long_ones_are_told(pages: dict[str, Path]) -> None:
    text = pages["report.html"].read_text()
    assert "not-utf-8-\\\\xff\\\\xfe\\\\x80" in text
    assert max(map(len, json.loads(text.partition('id="data">')[2].partition("</script>")[0]))) < 20
    assert "d" * 301 not in text and "n" * 1100 not in text


@needs_browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", ["size.html", "graph.html", "report.html"])
def test_no_script_of_an_image_runs(tab: Tab, pages: dict[str, Path], name: str, size: tuple[int, int]) -> None:
    tab.open(pages[name], size)
    tab.run("document.querySelectorAll('.more button').forEach(e => { while (!e.hidden) e.click() })")
    tab.run("document.querySelectorAll('.map button, g.node').forEach(e => e.dispatchEvent(new MouseEvent('click')))")
    tab.find("document")
    tab.find("")
    assert tab.run("document.title") != MARK
    elements = tab.run("[...new Set([...document.querySelectorAll('body *')].map(e => e.tagName.toLowerCase()))]")
    assert not {"img", "iframe", "object", "embed", "form", "base", "foreignobject"} & set(elements)
    assert tab.run("document.scripts.length") == 2
    assert tab.run("[...document.links].every(e => ['#', 'h'].includes(e.getAttribute('href')[0]))")
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on'))"
    )
    assert tab.run(f"{handlers}.length") == 0
    assert tab.run("document.documentElement.scrollWidth") == size[0]


@needs_browser
def test_a_file_is_shown_by_its_name_as_text(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["size.html"])
    tab.find("document.title srv")
    shown = tab.texts("#files tbody th")
    for name in FILE_NAMES[:4]:
        assert f"/srv/{name}" in shown


@needs_browser
def test_markup_that_reaches_a_page_stays_without_effect(tab: Tab, pages: dict[str, Path], tmp_path: Path) -> None:
    """The policy holds even if escaping failed: it is broken on purpose here."""
    text = pages["size.html"].read_text()
    broken = tmp_path / "broken.html"
    broken.write_text(
        text.replace(
            "<noscript>",
            f"<script>document.title='{MARK}'</script><img src=x onerror=\"document.title='{MARK}'\">"
            f"<a id=bad href=\"javascript:document.title='{MARK}'\">x</a>"
            "<style>body { display: none }</style><noscript>",
        )
    )
    tab.open(broken)
    tab.run("document.getElementById('bad').click()")
    tab.settle()
    assert tab.run("document.title") != MARK and tab.run("getComputedStyle(document.body).display") == "block"
    blocked = tab.run(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return '' } catch (e) { return e.name } })()"
    )
    assert blocked == "TypeError"
    assert len(tab.log) >= 4 and all("Content Security Policy" in line or "TrustedHTML" in line for line in tab.log)
    tab.log.clear()


@needs_browser
def test_a_drawing_runs_no_script(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["graph.svg"])
    assert tab.run("document.querySelectorAll('script, image, foreignObject, a').length") == 0
    assert tab.run("document.documentElement.tagName") == "svg"


def test_a_graph_as_dense_as_can_be_is_refused_or_ends() -> None:
    names = [f"p{number}" for number in range(300)]
    needs = dict.fromkeys(names, names)
    graph = package_graph(("x", ""), [], {}, {}, ())
    assert graph.edges == []
    slices = [ImageSlice(name, "1", "", None, "seed", "", "") for name in names]
    section = image_sections.package_graph(package_graph(("x", ""), slices, {}, needs, ()))
    assert section.kind == "missing" and "limits" in section.note


def test_a_hundred_thousand_files_make_a_page_of_bounded_size() -> None:
    def rows() -> list[ManifestEntry]:
        return [
            ManifestEntry(
                b"usr/share/a-long-directory/%06d/file-%d" % (n // 100, n),
                "f",
                0o644,
                0,
                0,
                n,
                b"b" * 32,
                b"s" * 32,
                b"",
                0,
            )
            for n in range(100_000)
        ]

    found = contents.read(ManyFiles([rows()]), [ImageLayer((), 1, 5_000_000_000)], ["sha256:00"])  # type: ignore[arg-type]
    drawing = Drawing("map", "Sizes", contents.columns(found), "", "treemap")
    text = "".join(page.html(ReportPage("x", [], [drawing])))
    assert found.total == 100_000 and len(found.files) == contents.MAX_FILES
    assert len(text) < 1_500_000 and sum(files for files, _ in found.rest.values()) == 80_000


@pytest.mark.parametrize(
    ("bill", "known"),
    [
        (b"[]", {}),
        (b"{}", {}),
        (b'{"components": 7}', {}),
        (b'{"components": [7]}', {}),
        (b'{"components": [{"name": "a", "purl": "pkg:deb/debian/a", "licenses": 7}]}', {}),
        (b"[" * 100_000, {}),
        (b'{"components": [{"name": "hello", "purl": "pkg:deb/debian/hello", "scope": "excluded"}]}', {}),
        (
            b'{"components": [{"name": "hello", "purl": "pkg:deb/debian/hello", "description": "\\u202e<b>",'
            b'"licenses": [{"license": {"name": "</script>"}}],'
            b'"externalReferences": [{"type": "website", "url": "javascript:alert(1)"}]}]}',
            {"hello": ("</script>", "", "\\u202e<b>")},
        ),
        (
            b'{"components": [{"name": "hello", "purl": "pkg:deb/debian/hello", "licenses": [{"expression": 7}],'
            b'"externalReferences": [{"type": "website", "url": ["https://example.org"]}]}]}',
            {"hello": ("", "", "")},
        ),
    ],
)
def test_a_bill_in_an_image_is_data_too(
    made: Greeter, monkeypatch: pytest.MonkeyPatch, bill: bytes, known: dict[str, tuple[str, ...]]
) -> None:
    subject = of_file(str(made.tar))
    assert subject is not None
    monkeypatch.setattr(file_bills, "attached", lambda archive, image, name: bill)
    nothing: Any = SimpleNamespace(has_store=False)
    found = collect(nothing, subject, with_facts=True)
    assert {name: tuple(about) for name, about in found.about.items()} == known
    assert "".join(page.html(image_sections.report_page(found, ()))).count("</script>") == 2


def test_a_page_has_no_secret_of_the_configuration() -> None:
    """A page is passed on to people who do not get the image."""
    config = {
        "Env": ["DB_PASSWORD=hunter2", "URL=postgres://u:hun@ter2@db/x", "PATH=/usr/bin"],
        "Labels": {"api.token": "hunter2", "a": "b"},
        "Cmd": ["run", "--password=hunter2"],
        "Entrypoint": ["sh", "-c", "TOKEN=hunter2 run"],
    }
    lines = [line for value in config.values() for line in image_sections._values(value)]
    assert not [line for line in lines if "ter2" in line]
    assert {"DB_PASSWORD=(hidden)", "PATH=/usr/bin", "a = b", "api.token = (hidden)"} <= set(lines)
