"""Pages and drawings of images: `report`, `graph` and `size --html`, of attributes and of files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.images.greeter import Greeter
from support.images.tamper import Image
from support.processes.program import Fpack


def data(page: Path) -> Any:
    """Return the data of a page."""
    return json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])


def sections(page: Path) -> dict[str, Any]:
    return {section["id"]: section for section in data(page)["sections"]}


@pytest.fixture(scope="module")
def report(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of the project's image."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    made.fpack("report", "#image", "--html", "-o", path, cwd=made.project)
    return path


def test_a_report_has_all_that_is_known(made: Greeter, report: Path) -> None:
    found = sections(report)
    assert [*found] == [
        "summary", "map", "packages", "licences", "graph", "layers", "files", "configuration", "provenance", "releases",
        "debs", "inputs", "vulnerabilities", "rebuilds", "signatures",
    ]  # fmt: skip
    head = json.loads(made.manifest.read_bytes())
    summary = dict(found["summary"]["rows"])
    assert summary["name"] == ["greeter:1.0"] and summary["digest"] == [head["image"]["manifest"]["digest"]]
    assert summary["image id"] == [head["image"]["config"]["digest"]]
    assert summary["lock"] and "as Debian's packages ship them" in " ".join(summary["origin of files"])
    packages = {row[0]: row for row in found["packages"]["rows"]}
    assert packages["hello"][1] == "2.10-3" and packages["hello"][5] == "requested"
    assert packages["libgreet1"][5] == "/usr/share/greet/words was requested by name"
    files = [entry for layer in head["layers"] for entry in layer["entries"] if entry["kind"] != "directory"]
    assert found["map"]["content"]["total"] == len(files)
    configuration = dict(found["configuration"]["rows"])
    assert configuration["User"] == ["65534:65534"] and "GREETING=hi" in configuration["Env"]
    assert configuration["ExposedPorts"] == ["8000/tcp"] and "a = b" in configuration["Labels"]
    assert {row[0] for row in found["debs"]["rows"]} == packages.keys()
    assert {found[name]["kind"] for name in ("vulnerabilities", "rebuilds", "signatures")} == {"missing"}


def test_licences_are_known_for_an_attribute_and_said_to_be_unknown_elsewhere(
    made: Greeter, report: Path, tmp_path: Path
) -> None:
    assert sum(row[1] for row in sections(report)["licences"]["rows"]) == len(sections(report)["packages"]["rows"])
    away = Fpack(tmp_path / "away")
    away("report", made.tar, "--html", "-o", tmp_path / "file.html")
    found = sections(tmp_path / "file.html")
    assert not found["licences"]["rows"] and "No data" in found["licences"]["empty"]
    assert "known of 0 of" in found["packages"]["note"]
    made.fpack.pack("#image", "--sbom", "-o", tmp_path / "billed.tar", cwd=made.project)
    away("report", tmp_path / "billed.tar", "--html", "-o", tmp_path / "billed.html")
    of_bill, of_facts = sections(tmp_path / "billed.html"), sections(report)
    for name in ("packages", "licences", "configuration", "files"):
        assert of_bill[name] == of_facts[name], name
    assert not (away.home / "store").exists(), "a page of a file makes no store"


def test_the_same_image_gives_the_same_page(made: Greeter, report: Path, tmp_path: Path) -> None:
    env = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    made.fpack("report", "#image", "--html", "-o", tmp_path / "again.html", cwd=made.project, env=env)
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()
    copy = tmp_path / "other-name.tar"
    copy.write_bytes(made.tar.read_bytes())
    for number, (path, home) in enumerate(((made.tar, "a"), (copy, "b"))):
        Fpack(tmp_path / home)("report", path, "--html", "-o", tmp_path / f"{number}.html")
    assert (tmp_path / "0.html").read_bytes() == (tmp_path / "1.html").read_bytes()


@pytest.mark.parametrize("verb", ["report", "graph", "size"])
def test_a_page_is_named_after_the_image(made: Greeter, tmp_path: Path, verb: str) -> None:
    done = made.fpack(verb, made.tar, "--html", cwd=tmp_path)
    assert done.stdout == f"greeter.{verb}.html\n"
    assert [path.name for path in tmp_path.iterdir()] == [f"greeter.{verb}.html"]
    made.fpack(verb, f"{made.project}/fpack.fp#image", "--html", cwd=tmp_path)
    assert len([*tmp_path.iterdir()]) == 1
    assert made.fpack(verb, made.tar, "--html", "-o", "other.html", cwd=tmp_path).stdout == "other.html\n"


def test_an_image_of_another_tool_has_a_page_of_what_is_known(made: Greeter, tmp_path: Path) -> None:
    image = Image.load(made.tar)
    image.referrers, image.artifacts = None, []
    bare = image.save(tmp_path / "bare.tar")
    made.fpack("report", bare, "--html", cwd=tmp_path)
    found = sections(tmp_path / "bare.report.html")
    assert [*found] == [
        "summary", "map", "layers", "configuration", "packages", "vulnerabilities", "rebuilds", "signatures",
    ]  # fmt: skip
    assert "packages are not known" in found["vulnerabilities"]["note"] and found["signatures"]["rows"] == []
    assert found["packages"]["kind"] == "missing" and "no manifest of fpack" in found["packages"]["note"]
    assert str(tmp_path) not in (tmp_path / "bare.report.html").read_text()
    made.fpack("size", bare, "--html", cwd=tmp_path)
    assert "only the sizes of layers" in sections(tmp_path / "bare.size.html")["map"]["note"]
    assert "no manifest of fpack" in made.fpack.fails("graph", bare, cwd=tmp_path)


def test_the_graph_of_an_attribute_has_the_reason_of_each_edge(made: Greeter) -> None:
    found = json.loads(made.fpack("graph", "#image", "--json", cwd=made.project).stdout)
    edges = {(edge["from"], edge["to"]): edge for edge in found["edges"]}
    assert all(edge["reasons"] for edge in found["edges"]) and found["image"] == {"name": "greeter", "tag": "1.0"}
    assert edges[None, "hello"]["reasons"] == ["requested"]
    assert edges["hello", "dash"]["reasons"] == ["/usr/bin/hello is run by /bin/sh"]
    needs = json.loads(made.fpack("closure", "#image", "--json", cwd=made.project).stdout)["packages"]
    for package in needs:
        assert {to for start, to in edges if start == package["name"]} >= {*package["needs"]}
    of_file = json.loads(made.fpack("graph", made.tar, "--json").stdout)
    assert {(edge["from"], edge["to"]) for edge in of_file["edges"]} == edges.keys()
    assert of_file["packages"] == found["packages"]


def test_the_graph_of_declared_dependencies_says_depends(made: Greeter) -> None:
    found = json.loads(made.fpack("graph", "#everything", "--json", cwd=made.project).stdout)
    assert {**{k: v for e in found["edges"] if e["to"] == "idle" for k, v in e.items() if k != "reasons"}} == {
        "from": "greet-tools",
        "to": "idle",
        "more": 0,
        "primary": True,
    }
    assert any(edge["reasons"] == ["greet-tools depends on idle"] for edge in found["edges"])


def test_drawings_go_to_the_standard_output_or_to_a_file(made: Greeter, tmp_path: Path) -> None:
    dot = made.fpack("graph", made.tar).stdout
    assert dot.startswith("digraph packages {\n") and dot == made.fpack("graph", made.tar, "--dot").stdout
    assert re.search(r'n\d+ -> n\d+ \[tooltip="requested", label="requested"', dot)
    svg = made.fpack("graph", made.tar, "--svg").stdout
    assert svg.startswith("<svg ")
    assert made.fpack("graph", made.tar, "--svg", "-o", tmp_path / "x.svg").stdout == f"{tmp_path / 'x.svg'}\n"
    assert (tmp_path / "x.svg").read_text() == svg


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("graph", "--json", "-o", "x"), "leave one of them out"),
        (("graph", "--svg", "-o", "none/x.svg"), "there is no directory none"),
        (("report", "--html", "-o", "none/x.html"), "there is no directory none"),
        (("report",), "--html"),
        (("size", "--json", "--html"), "exclude each other"),
        (("size", "-o", "x.html"), "-o names the file of --html"),
        (("size", "--html=x.html", "-o", "y.html"), "-o names the file of --html"),
        (("size", "--html=none/x.html"), "there is no directory none"),
        (("size", "--html", "greeter.tar"), "would replace the image"),
        (("report", "--html", "-o", "."), "is a directory"),
    ],
)
def test_mistakes_are_told_before_any_work(made: Greeter, words: tuple[str, ...], message: str) -> None:
    before = made.tar.read_bytes()
    assert message in made.fpack.fails(*words, cwd=made.project)
    assert made.tar.read_bytes() == before
