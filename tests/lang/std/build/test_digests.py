"""Digests that the locks of Bundler and Composer lack: what is asked for, and what is fetched by them."""

from __future__ import annotations

import json

import pytest
from support.language.evaluations import Plan, Project

GEMS = "GEM\n  remote: https://gems.example/\n  specs:\n    rack (3.0.0)\n    rake (13.0.0)\n"
URL, DIGEST = "gem:https://gems.example//rack-3.0.0.gem", "a" * 64
RAKE = f"\nCHECKSUMS\n  rake (13.0.0) sha256={'b' * 64}\n"
ARCHIVE = "https://example.org/a.zip"
PACKAGE = {"name": "a/b", "version": "1", "dist": {"type": "zip", "url": ARCHIVE, "shasum": "1" * 40}}


@pytest.fixture(autouse=True)
def files(project: Project) -> None:
    project.write({
        "app/Gemfile.lock": GEMS + RAKE, "app/composer.lock": json.dumps({"packages": [PACKAGE]}),
        "summed/Gemfile.lock": GEMS + RAKE + f"  rack (3.0.0) sha256={DIGEST}\n", "app/kept.json": "{}",
    })  # fmt: skip


def test_gems_without_a_checksum_are_asked_for(project: Project) -> None:
    plan = Plan({URL: DIGEST})
    made = project.build('ruby { name = "app", source = ./app, lock = ./app/Gemfile.lock }', file_digests=plan)
    (request,) = plan.requests
    assert request["files"] == {URL: ""} and request["what"] == "gems"
    assert request["older"] is None and request["named"] is False
    assert {each.args["sha256"] for each in made.kinds("fetch") if each.name.endswith(".gem")} == {DIGEST, "b" * 64}


def test_a_lock_with_all_checksums_asks_nothing(project: Project) -> None:
    plan = Plan({})
    project.build('ruby { name = "app", source = ./summed, lock = ./summed/Gemfile.lock }', file_digests=plan)
    assert not plan.requests


def test_packages_of_composer_are_asked_for_with_their_weak_digests(project: Project) -> None:
    plan = Plan({ARCHIVE: DIGEST})
    made = project.build('php { name = "app", source = ./app, lock = ./app/composer.lock }', file_digests=plan)
    assert plan.requests[0]["files"] == {ARCHIVE: "1" * 40}
    assert [each.args["sha256"] for each in made.kinds("fetch") if each.name.endswith(".zip")] == [DIGEST]


@pytest.mark.parametrize(
    ("call", "name"),
    [("ruby { lock = ./app/Gemfile.lock", "gems.lock"), ("php { lock = ./app/composer.lock", "composer-files.lock")],
)
def test_a_file_of_an_older_version_is_named(project: Project, call: str, name: str) -> None:
    project.write({f"app/{name}": "{}"})
    plan = Plan({URL: DIGEST, ARCHIVE: DIGEST})
    project.build(f'{call}, name = "app", source = ./app }}', file_digests=plan)
    assert plan.requests[0]["older"] == name and plan.requests[0]["named"] is False


def test_a_file_that_the_user_names_is_passed_on(project: Project) -> None:
    plan = Plan({ARCHIVE: DIGEST})
    fields = 'name = "app", source = ./app, lock = ./app/composer.lock, files = ./app/kept.json'
    project.build(f"php {{ {fields} }}", file_digests=plan)
    assert plan.requests[0]["older"] == "kept.json" and plan.requests[0]["named"] is True
