"""Images of static files: the server, what it serves, and what a project may change."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.errors import EvalError
from support.language.evaluations import Build, Project

SITE = 'let debian = import("fpack/debian").trixie in (import("fpack/site").site { name = "s", FIELDS }).image'


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    project.write({"public/index.html": "hello", "own.conf": "events {}\n"})


def site(project: Project, fields: str) -> Build:
    return project.build(SITE.replace("FIELDS", fields))


def config(build: Build) -> dict[str, Any]:
    found: Any = build.own.args["config"]
    return dict(found)


def entries(build: Build) -> dict[str, dict[str, Any]]:
    found: Any = build["s-files"].args["entries"]
    return {each["path"]: each for each in found}


def packages(build: Build) -> set[str]:
    """Return the packages that are listed, not those that linked programs may need."""
    found: Any = build["s-root"].args["slices"]
    return {each["package"] for each in found if each["seed"]}


def test_nginx_serves_a_directory_of_the_project(project: Project) -> None:
    build = site(project, "content = ./public")
    found = config(build)
    assert {name: found[name] for name in ("command", "user", "ports", "stop_signal", "entrypoint")} == {
        "command": ["nginx", "-g", "daemon off;"], "user": "nginx", "ports": [8080], "stop_signal": "SIGQUIT",
        "entrypoint": None,
    }  # fmt: skip
    root: Any = build["s-root"].args
    assert root["mode"] == "linked" and [(u["name"], u["uid"], u["gid"]) for u in root["users"]] == [
        ("nginx", 101, 101)
    ]  # fmt: skip
    assert packages(build) >= {"nginx", "nginx-common"}
    (content,) = build.own.args["paths"]
    text = build.text("nginx.conf")
    assert content.endswith("-public") and f"root {content};" in text and "listen 8080;" in text
    assert "try_files $uri $uri/ $uri.html =404;" in text and "error_page 404 /404.html;" in text
    # Logs are the container's, and nothing is written outside of /tmp.
    found_entries = entries(build)
    assert found_entries["/var/log/nginx/access.log"]["target"] == "/dev/stdout"
    assert found_entries["/var/log/nginx/error.log"]["target"] == "/dev/stderr"
    assert found_entries["/tmp"]["mode"] == found_entries["/var/lib/nginx"]["mode"] == 0o1777
    assert text.count("_temp_path /tmp/") == 5 and "pid /tmp/nginx.pid;" in text


def test_only_the_types_of_files_are_taken_from_the_settings_of_nginx(project: Project) -> None:
    build = site(project, "content = ./public")
    kept = [made.args["keep"] for made in build.kinds("slice") if "nginx-common" in made.name]
    assert kept == [["/etc/nginx/mime.types"]]


def test_what_a_package_builds_is_served_from_its_release(project: Project) -> None:
    built = 'package { name = "pages", version = "2", install = "x", release = "bookworm" }'
    build = site(project, f"content = {built}")
    (content,) = build.own.args["paths"]
    assert content.endswith("-pages-2") and f"root {content};" in build.text("nginx.conf")
    assert build["s-root"].args["release"] == "bookworm"
    # The tools of the build are not in the image.
    assert "gawk" not in packages(build)


def test_what_runs_the_build_is_no_part_of_a_site(project: Project) -> None:
    built = 'package { name = "pages", install = "x", runtime = [debian.curl] }'
    assert "curl" not in packages(site(project, f"content = {built}"))
    # The content is the one that the package has by itself.
    pages = f'debian = import("fpack/debian").trixie, pages = {built}'
    same = f"let {pages} in {{ ...pages, debian-runtime = [] }}.out == pages.out"
    assert project.value(same) is True


def test_a_single_page_has_no_missing_paths(project: Project) -> None:
    text = site(project, "content = ./public, single-page = true").text("nginx.conf")
    assert "try_files $uri $uri/ /index.html;" in text and "404" not in text


def test_a_port_and_further_lines(project: Project) -> None:
    build = site(project, 'content = ./public, port = 9000, config = "location /api { return 204; }"')
    assert config(build)["ports"] == [9000]
    text = build.text("nginx.conf")
    assert "listen 9000;" in text and "8080" not in text
    assert text.index("location /api { return 204; }") > text.index("server {")
    assert text.count("{") == text.count("}")


def test_fields_of_a_container_are_added_or_replace_those_of_the_site(project: Project) -> None:
    fields = (
        'packages = [debian.curl], files = { "/etc/motd" = "hi" }, links = { "/a" = "b" }, directories = { "/c" = {} }'
    )
    build = site(project, f'content = ./public, {fields}, user = "root", labels = {{ a = "b" }}, tag = "7"')
    assert packages(build) >= {"curl", "nginx"} and build.own.args["tag"] == "7"
    assert entries(build).keys() >= {
        "/etc/motd",
        "/a",
        "/c",
        "/etc/nginx/nginx.conf",
        "/tmp",
        "/var/log/nginx/error.log",
    }
    assert (config(build)["user"], config(build)["labels"]) == ("root", {"a": "b"})
    own = site(project, 'content = ./public, files = { "/etc/nginx/nginx.conf" = ./own.conf }')
    assert entries(own)["/etc/nginx/nginx.conf"]["source"].endswith("-own.conf")


def test_a_site_is_changed_with_its_fields(project: Project) -> None:
    text = SITE.replace("FIELDS", "content = ./public").replace(").image", ").with({ ports = [80] }).image")
    assert config(project.build(text))["ports"] == [80]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("", "content"),
        ('content = ./public, port = "80"', "port"),
        ("content = ./public, port = 0", "port"),
        ("content = ./public, colour = 1", "colour"),
        ("content = ./missing", "missing"),
    ],
)
def test_mistakes_are_errors_of_the_call(project: Project, fields: str, what: str) -> None:
    with pytest.raises(EvalError) as caught:
        site(project, fields)
    assert what in caught.value.what + caught.value.why and caught.value.file == "<command line>"
