"""Test how `fpack init` finds gems and their needs, Rails, Rack, and gems with programs in Ruby projects."""

from __future__ import annotations

from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project
from fpack.cli.init.ruby import ruby

LOCK = "GEM\n  remote: https://rubygems.org/\n  specs:\n    {} (1.0)\n      x (>= 1)\n\nPLATFORMS\n  ruby\n"
SUMS = "\nCHECKSUMS\n  pg (1.0) sha256=" + "0" * 64 + "\n"


def _guess(files: dict[str, str]) -> Guess:
    found = ruby(Project("thing", files))
    assert found is not None
    return found


def test_gems_are_fetched_by_the_lock() -> None:
    found = _guess({"Gemfile": "", "Gemfile.lock": LOCK.format("pg") + SUMS, "bin/run": ""})
    wanted = [("lock", "./Gemfile.lock"), ("native", "true"), ("libs", "[debian.libpq-dev]")]
    assert found.fields == wanted and found.todo == []


def test_a_lock_without_checksums_is_told() -> None:
    found = _guess({"Gemfile": "", "Gemfile.lock": LOCK.format("rack"), "bin/run": ""})
    assert found.todo == [] and any("recorded in fpack.lock" in reason for reason in found.reasons)


def test_gems_from_git_are_told() -> None:
    files = {"Gemfile": "", "Gemfile.lock": "GIT\n  remote: https://x\n\n" + LOCK.format("rack"), "bin/run": ""}
    assert "bundle package --all" in _guess(files).todo[0]


def test_rails_and_rack_are_served() -> None:
    rails = {
        "Gemfile": "gem 'puma'",
        "config.ru": "",
        "config/application.rb": "",
        "bin/rails": "",
        "vendor/cache/x": "",
    }
    assert list(_guess(rails).ports) == [3000]
    rack = _guess({"Gemfile": "", "config.ru": "", "vendor/cache/x": ""})
    assert rack.entrypoint == ["@/bin/rackup", "--host", "0.0.0.0", "--port", "9292", "@/app/config.ru"]


def test_a_gem_with_a_program_and_without() -> None:
    spec = 'Gem::Specification.new do |s|\n s.name = "tool"\n s.version = "2.1.0"\nend\n'
    files = {"Gemfile": "", "Gemfile.lock": "", "tool.gemspec": spec}
    found = _guess({**files, "exe/other": "", "exe/tool": ""})
    assert (found.name, found.version, found.entrypoint) == ("tool", "2.1.0", ["@/bin/tool"])
    assert _guess(files).library


def test_a_gem_that_needs_no_other_is_built_without_a_lock() -> None:
    spec = 'Gem::Specification.new do |s|\n s.name = "tool"\n s.bindir = "exe"\n s.executables = ["tool"]\nend\n'
    files = {"tool.gemspec": spec, "exe/tool": "", "exe/other": "", "bin/console": ""}
    for found in (_guess(files), _guess({**files, "Gemfile": "gemspec\ngem 'rubocop', group: :development\n"})):
        assert (found.fields, found.todo, found.entrypoint) == ([("gem", "true")], [], ["@/bin/tool"])
    assert _guess({**files, "Gemfile.lock": ""}).fields != [("gem", "true")]
    needy = spec.replace("end\n", ' s.add_dependency "rack"\nend\n')
    assert "bundle lock" in _guess({**files, "tool.gemspec": needy}).todo[0]
    native = spec.replace("end\n", ' s.extensions = ["ext/extconf.rb"]\nend\n')
    assert ("native", "true") in _guess({**files, "tool.gemspec": native}).fields
    assert _guess({"tool.gemspec": spec.replace(' s.executables = ["tool"]\n', ""), "exe/tool": ""}).library


def test_a_gemfile_without_a_lock_names_what_its_gems_are_compiled_with() -> None:
    gems = "source 'https://x'\ngem 'rails', '~> 7'\n  gem \"sqlite3\", '>= 1.4'\n# gem 'pg'\n"
    found = _guess({"Gemfile": gems, "config.ru": ""})
    wanted = [("lock", "./Gemfile.lock"), ("native", "true"), ("libs", "[debian.libsqlite3-dev, debian.pkgconf]")]
    assert list(found.fields) == wanted
    (todo,) = found.todo
    assert "bundle lock (without Ruby: fpack run debian.trixie.bundler -- bundle lock)" in todo
