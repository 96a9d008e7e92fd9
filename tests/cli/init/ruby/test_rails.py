"""A Rails application gets its environment, its database, and directories in which it may write."""

from __future__ import annotations

import pytest
from fpack.cli.init.gitignore import ignored
from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project
from fpack.cli.init.ruby import ruby
from fpack.cli.init.template import render

FILES = {"Gemfile": "gem 'puma'", "config.ru": "", "config/application.rb": "", "bin/rails": "", "Gemfile.lock": ""}
DATABASE = "default: &default\n  adapter: sqlite3\n\nproduction:\n  <<: *default\n  {}\n"
PREPARED = ["@/bin/rails", "db:prepare"]


def _guess(files: dict[str, str]) -> Guess:
    found = ruby(Project("blog", {**FILES, **files}))
    assert found is not None
    return found


def test_it_runs_in_production_and_writes_outside_of_the_package() -> None:
    made = _guess({"Gemfile": "gem 'puma'\ngem 'bootsnap'"})
    assert made.image_env[0] == ("RAILS_ENV", "production") and ("BOOTSNAP_READONLY", "true") in made.image_env
    assert list(made.directories) == ["/var/lib/blog"]
    assert 'ln -s /var/lib/blog "$out/app/storage"' in made.also_installs
    assert ("runtime", "[debian.tzdata]") in made.fields


@pytest.mark.parametrize(
    ("line", "variable", "link"),
    [
        ("# database: path/to/production.sqlite3", True, False),  # a new application of version 7.2
        ("database: storage/production.sqlite3", False, False),
        ("database: db/production.sqlite3", False, True),
    ],
)
def test_its_own_database_is_made_at_each_start(line: str, variable: bool, link: bool) -> None:
    made = _guess({"config/database.yml": DATABASE.format(line)})
    assert made.first == PREPARED
    url = ("DATABASE_URL", "sqlite3:/var/lib/blog/production.sqlite3")
    assert (url in made.image_env) == variable
    assert ('ln -sf /var/lib/blog/production.sqlite3 "$out/app/db/production.sqlite3"' in made.also_installs) == link


def test_the_tables_of_another_database_are_made_by_hand() -> None:
    for text in ("", DATABASE.replace("sqlite3", "postgresql"), DATABASE + "cache:\n  adapter: mysql2\n"):
        made = _guess({"config/database.yml": text})
        assert made.first == [] and any("db:prepare" in reason for reason in made.reasons)


def test_its_secret_is_told_and_its_keys_are_no_part_of_the_source() -> None:
    project = Project("blog", {**FILES, "config/credentials.yml.enc": ""})
    made = ruby(project)
    assert made is not None and any("RAILS_MASTER_KEY" in reason for reason in made.reasons)
    assert any("SECRET_KEY_BASE" in reason for reason in _guess({}).reasons)
    assert "/config/master.key\n" in (ignored(made, project) or "")
    rack = Project("blog", {"Gemfile": "", "config.ru": ""})
    assert "master.key" not in (ignored(made, rack) or "")


@pytest.mark.parametrize("gem", ["propshaft", "sprockets-rails"])
def test_the_build_makes_the_assets(gem: str) -> None:
    for files in ({"Gemfile.lock": f"GEM\n  specs:\n    {gem} (1.0)\n"}, {"Gemfile": f'gem "puma"\ngem "{gem}"\n'}):
        assert ("assets", "true") in _guess(files).fields
        # Those that the project keeps are served.
        assert ("assets", "true") not in _guess({**files, "public/assets/x.css": ""}).fields
    assert ("assets", "true") not in _guess({}).fields


def test_assets_of_packages_of_npm_are_told() -> None:
    made = _guess({"Gemfile": 'gem "puma"\ngem "propshaft"\ngem "jsbundling-rails"\n'})
    assert ("assets", "true") not in made.fields and any("assets:precompile first" in r for r in made.reasons)


def test_gems_that_run_javascript_have_a_program_for_it() -> None:
    fields = dict(_guess({"Gemfile.lock": "GEM\n  specs:\n    execjs (2.9)\n    sprockets (4.2)\n"}).fields)
    assert fields["tools"] == "[debian.nodejs]" and fields["runtime"] == "[debian.nodejs, debian.tzdata]"


def test_the_image_ends_without_its_secret() -> None:
    text = render(_guess({"config/credentials.yml.enc": ""}), "trixie")
    assert "$RAILS_MASTER_KEY$SECRET_KEY_BASE$SECRET_KEY_BASE_DUMMY" in text
    assert "podman run -e RAILS_MASTER_KEY=..." in text and "debian.dash" in text
    assert "podman run -e SECRET_KEY_BASE=..." in render(_guess({}), "trixie")


def test_blank_lines_are_read_in_time_in_proportion_to_their_number() -> None:
    blank = "\n" * 200_000
    made = _guess(
        {"config/database.yml": DATABASE.format(f"{blank}  adapter: sqlite3"), "Gemfile": f"{blank}gem 'puma'"}
    )
    assert made.first == PREPARED
