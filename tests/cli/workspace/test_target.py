"""Test what the words of a command line name."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.errors import UsageError
from fpack.cli.workspace.target import Target, find_image, no_field, parse, unknown


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "fpack.fp").write_text("")
    (tmp_path / "api.fp").write_text("")
    return tmp_path


def test_nothing_is_the_image_of_the_project(project: Path) -> None:
    for cwd in (project, project / "sub"):
        target = parse(None, cwd)
        assert (target.file, target.path, target.project) == (project / "fpack.fp", ("image",), project)


def test_nothing_outside_a_project_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no fpack.fp") as caught:
        parse(None, tmp_path)
    assert "postgres" in caught.value.hint and caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("api.fp#a", ("a",)),
        ("api.fp#a.b-c", ("a", "b-c")),
        ('api.fp#a."b.c".d', ("a", "b.c", "d")),
        ("api.fp", ("image",)),
    ],
)
def test_an_attribute_of_a_file(project: Path, text: str, path: tuple[str, ...]) -> None:
    target = parse(text, project)
    assert (target.file, target.path, target.project) == (project / "api.fp", path, project)


def test_a_directory_stands_for_its_file(project: Path) -> None:
    assert parse(".#x", project).file == project / "fpack.fp"
    assert parse("./", project).file == project / "fpack.fp"
    assert parse(".", project) == parse("./", project)._replace(text=".")
    assert (parse("..", project / "sub").file or project).resolve() == project / "fpack.fp"
    assert (parse("..", project / "sub").file or project).resolve() == project / "fpack.fp"


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("debian.trixie.redis-server", ("trixie", "redis-server")),
        ("debian.trixie.g++", ("trixie", "g++")),
        ("debian.trixie.python3.13", ("trixie", "python3.13")),
        ('debian.trixie."g++"', ("trixie", "g++")),
    ],
)
def test_the_first_two_dots_separate(tmp_path: Path, text: str, package: tuple[str, str]) -> None:
    assert parse(text, tmp_path) == Target(text, None, package=package)


def test_a_bare_name_is_looked_up_later(project: Path) -> None:
    assert parse("postgres", project) == Target("postgres", project, None, ("postgres",))


@pytest.mark.parametrize(
    "text", ["debian.trixie", "debian.", "nofile.fp", "nofile.fp#x", 'api.fp#"x', "api.fp#a..b", "a."]
)
def test_what_names_nothing_is_refused(project: Path, text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, project)


def test_an_image_is_not_what_one_is_made_of(project: Path) -> None:
    (project / "app.tar").write_bytes(b"")
    (project / "layout").mkdir()
    (project / "layout" / "oci-layout").write_text("{}")
    for text in ("app.tar", "./app.tar", "./layout"):
        with pytest.raises(UsageError, match="is an image, not"):
            parse(text, project)
    # A curated package may have the name of the directory that it was packed into.
    assert parse("layout", project).path == ("layout",)


def test_which_names_are_image_files(project: Path) -> None:
    for name in ("app.tar", "debian.tar", "app.tar.gz", "layout.oci/oci-layout", "plain/x", "x.fp"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes(b"")
    (project / "image").write_bytes(bytes(257) + b"ustar" + bytes(250))
    (project / "short").write_bytes(b"ustar")
    for text in (
        "app.tar",
        "./app.tar",
        "debian.tar",
        "app.tar.gz",
        "layout.oci",
        "./layout.oci/",
        "./image",
        "./short",
    ):
        assert find_image(text, project) == project / text, text
    for text in (None, "image", "./x.fp", "./plain", ".", "app", "app.tar#x", "debian.trixie.gone.tar", "./gone"):
        assert find_image(text, project) is None, text
    for text in ("gone.tar", "./gone.oci"):
        with pytest.raises(UsageError, match="no such file"):
            find_image(text, project)


def test_an_absent_name_is_answered_with_what_there_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = unknown(parse("trixie.jq", project), ["image"], ["postgres"])
    assert "fpack.fp has image" in error.why and "postgres" in error.why and error.hint.endswith(" debian.trixie.jq")
    assert unknown(parse("jq", project), [], ["postgres"]).hint == "fpack search jq looks for packages"
    assert "eval -e" in unknown(parse("map(f, x)", project), [], ["postgres"]).hint
    assert "postgres" in unknown(parse("postgras", project), [], ["postgres"]).hint
    (project / "layout").mkdir()
    (project / "layout" / "oci-layout").write_text("{}")
    monkeypatch.chdir(project)
    assert unknown(parse("layout", project), [], ["layouts"]).hint == "the image in this directory is ./layout"
    assert "`imag`" in no_field(parse("api.fp", project), ["imag"]).hint
    assert "empty" in no_field(parse("api.fp", project), []).why


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("debian.jq", "debian.trixie.jq"),
        ("debian.python3.13", "debian.trixie.python3.13"),
        ("ubuntu.jq", "ubuntu.noble.jq"),
    ],
)
def test_a_package_without_its_release_says_what_to_write(project: Path, text: str, meant: str) -> None:
    with pytest.raises(UsageError, match="release") as caught:
        parse(text, project)
    assert meant in caught.value.hint


def test_a_release_without_a_package_is_shown_with_one(project: Path) -> None:
    with pytest.raises(UsageError, match="does not name a package") as caught:
        parse("debian.bookworm", project)
    assert "debian.bookworm." in caught.value.hint


@pytest.mark.parametrize("release", ["trixy", "jessie"])
def test_a_release_that_is_unknown_is_left_to_the_list_of_releases(project: Path, release: str) -> None:
    assert parse(f"debian.{release}.jq", project).package == (release, "jq")


def test_a_program_of_the_projects_package_is_not_its_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    error = unknown(Target("tally", None, path=("tally",)), [], ["redis"])
    assert "there is no fpack.fp" not in error.why and "fpack run NAME -- tally" in error.hint
    monkeypatch.chdir("/")
    error = unknown(Target("tally", None, path=("tally",)), [], ["redis"])
    assert "there is no fpack.fp" in error.why and "fpack run" not in error.hint
