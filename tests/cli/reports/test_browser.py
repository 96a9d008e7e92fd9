"""Pages in a browser: search, zoom and selection by mouse and keyboard, on a desktop and on a phone, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.images.greeter import Greeter
from support.processes.browser import DESKTOP, PHONE, Tab, needs_browser

pytestmark = needs_browser


@pytest.fixture(scope="module")
def pages(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages of the greeter project, by verb."""
    folder = tmp_path_factory.mktemp("pages")
    made.fpack("size", made.tar, f"--html={folder / 'size.html'}")
    made.fpack("graph", "#image", "--html", "-o", folder / "graph.html", cwd=made.project)
    made.fpack("report", "#image", "--html", "-o", folder / "report.html", cwd=made.project)
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("verb", ["size", "graph", "report"])
def test_a_page_fits_its_window(tab: Tab, pages: dict[str, Path], verb: str, size: tuple[int, int], dark: bool) -> None:
    tab.open(pages[verb], size, dark)
    assert tab.run("document.documentElement.scrollWidth") == size[0]
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    # Nothing that can be pressed is too small for a finger (WCAG 2.2, 2.5.8: 24 pixels), but for areas of the map.
    small = "[...document.querySelectorAll('button:not(.cell):not(.link), input, select')]"
    small += ".filter(e => e.offsetHeight && e.offsetHeight < 24).map(e => e.outerHTML)"
    assert tab.run(small) == []


def test_the_colours_can_be_switched(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["size"])
    seen = []
    for _ in range(3):
        tab.click(".bar > button")
        seen.append((tab.texts(".bar > button")[0], tab.run("getComputedStyle(document.body).backgroundColor")))
    assert seen == [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 27)"), ("auto", "rgb(255, 255, 255)")]


def test_the_search_finds_files_and_packages(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["report"])
    every = len(tab.texts("#packages tbody tr"))
    tab.press("/")
    assert tab.run("document.activeElement.type") == "search"
    tab.find("usr bin HELLO")
    assert tab.texts("#files tbody th") == ["/usr/bin/hello"]
    assert "1 of" in tab.texts("#files .more")[0]
    assert tab.run("document.querySelectorAll('.map .on, .map .has').length") >= 1
    tab.find("libgreet1")
    assert any("libgreet1" in text for text in tab.texts("#packages tbody tr"))
    assert len(tab.texts("#packages tbody tr")) < every
    assert tab.run("document.querySelectorAll('g.node.found').length") >= 1
    tab.find("nothing has this name")
    assert tab.texts("#files tbody th") == []
    tab.find("")
    assert len(tab.texts("#packages tbody tr")) == every
    assert tab.run("document.querySelectorAll('.map .off, g.node.found').length") == 0


def test_the_map_zooms_by_mouse_and_by_keyboard(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["size"])
    assert tab.texts(".crumbs button") == ["image"]
    first = tab.run("document.querySelector('.map .cell').getAttribute('aria-label')")
    tab.run("document.querySelector('.map .cell').focus()")
    assert first.split(",")[0] in tab.texts("#map .details")[0]
    tab.press("Enter")
    deep = tab.texts(".crumbs button")
    assert len(deep) > 1 and tab.run("document.activeElement.className").startswith("cell")
    tab.press("Escape")
    assert tab.texts(".crumbs button") == ["image"]
    cells = tab.run("document.querySelectorAll('.map .cell').length")
    before = tab.run("document.activeElement.getAttribute('aria-label')")
    assert cells > 1
    tab.press("ArrowRight")
    assert tab.run("document.activeElement.getAttribute('aria-label')") != before
    assert tab.run("document.querySelectorAll('.map .cell[tabindex=\"0\"]').length") == 1
    tab.click(".map .cell")
    assert len(tab.texts(".crumbs button")) > 1
    tab.click(".crumbs button")
    assert tab.texts(".crumbs button") == ["image"]


def test_the_map_shows_both_sizes(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["size"])
    areas = "[...document.querySelectorAll('.map .cell')].map(e => Math.round(e.offsetWidth * e.offsetHeight))"
    unpacked = tab.run(areas)
    tab.click("#map .tools > button", 1)
    assert tab.run("document.querySelector('#map .tools > button:last-child').getAttribute('aria-pressed')") == "true"
    assert tab.run(areas) != unpacked
    whole = tab.run("document.querySelector('.map').clientWidth * document.querySelector('.map').clientHeight")
    assert abs(sum(tab.run(areas)) - whole) < 0.02 * whole


def test_a_package_shows_why_it_is_there(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["graph"])
    labels = tab.run("[...document.querySelectorAll('g.node')].map(e => e.getAttribute('aria-label'))")
    at = next(number for number, label in enumerate(labels) if label.startswith("libgreet1"))
    tab.click("g.node", at)
    shown = tab.texts("#graph .details")[0]
    assert "Why it is in the image" in shown and "requested" in shown and "Needed by (1)" in shown
    assert tab.run("document.querySelectorAll('path.why').length") == len(tab.texts("#graph ol.chain li"))
    assert tab.run("document.querySelector('g.node.chosen').getAttribute('aria-pressed')") == "true"
    assert tab.run("document.querySelector('#graph select').value") == str(at)
    tab.run("document.querySelector('g.node.chosen').focus()")
    tab.press("Escape")
    assert "Choose a package" in tab.texts("#graph .details")[0]
    tab.run(f"(() => {{ const s = document.querySelector('#graph select'); s.value = '{at}'; "
            "s.dispatchEvent(new Event('change')) })()")  # fmt: skip
    tab.click("#graph .details .link")
    assert tab.run("document.querySelectorAll('g.node.chosen').length") == 1


def test_the_graph_is_in_the_order_of_keys(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["graph"])
    tab.run("document.querySelector('g.node').focus()")
    tab.press("ArrowRight")
    assert tab.run("document.activeElement.getAttribute('aria-label')").endswith("requested")
    tab.press("Enter")
    assert tab.run("document.querySelectorAll('g.node.chosen').length") == 1
    width = tab.run("document.querySelector('.canvas svg').width.baseVal.value")
    tab.click("#graph .tools > button[aria-label=Larger]")
    assert tab.run("document.querySelector('.canvas svg').width.baseVal.value") > width


def test_a_table_is_sorted_by_a_column(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["report"])
    sizes = "[...document.querySelectorAll('#layers tbody tr')].map(e => e.children[1].innerText)"
    tab.click("#layers thead button", 1)
    descending = tab.run(sizes)
    assert tab.run("document.querySelectorAll('#layers th')[1].getAttribute('aria-sort')") == "descending"
    tab.click("#layers thead button", 1)
    assert tab.run(sizes)[0] == descending[-1]
    assert tab.run("document.querySelectorAll('#layers th')[1].getAttribute('aria-sort')") == "ascending"


def test_a_screen_reader_finds_the_parts(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["report"])
    roles = tab.roles()
    names = {(role, name) for role, name in roles}
    for role, name in (
        ("main", ""), ("banner", ""), ("search", ""), ("searchbox", "Search this page"), ("navigation", "Sections"),
        ("heading", "Packages"), ("table", "Packages"), ("table", "Files"), ("group", "Treemap"), ("region", "Layers"),
        ("button", "Colours: auto"), ("combobox", "Package"), ("columnheader", "package"),
    ):  # fmt: skip
        assert (role, name) in names, (role, name, sorted(names))
    assert not [role for role, name in roles if role in ("button", "link", "searchbox") and not name]
    levels = tab.run("[...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    ids = tab.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids)) and tab.run("document.documentElement.lang") == "en"


def test_a_printed_page_has_no_controls_and_all_rows(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["report"])
    tab.run("dispatchEvent(new Event('beforeprint'))")
    tab("Emulation.setEmulatedMedia", media="print")
    assert tab.run("getComputedStyle(document.querySelector('.bar')).display") == "none"
    assert tab.run("[...document.querySelectorAll('.more button')].every(e => e.hidden)")
    assert len(tab("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"]) > 10_000
    tab("Emulation.setEmulatedMedia", media="")
