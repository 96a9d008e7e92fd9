"""Guess how a Ruby project is built and run: Rails, Rack, and gems with programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..guess import LIBRARY, Guess, clean_name, clean_version, few, shown
from ..project import Project
from .rails import is_rails, with_rails

# Gem: the packages with the library that its extension links with.
NEEDS: Mapping[str, Sequence[str]] = {
    "charlock_holmes": ("libicu-dev", "zlib1g-dev"),
    "curb": ("libcurl4-openssl-dev",),
    "ffi": ("libffi-dev",),
    "fiddle": ("libffi-dev",),
    "gpgme": ("libgpgme-dev",),
    "hiredis": ("libhiredis-dev",),
    "idn-ruby": ("libidn-dev",),
    "magic": ("libmagic-dev",),
    "mysql2": ("libmariadb-dev",),
    "nokogiri": ("libxml2-dev", "libxslt1-dev", "zlib1g-dev", "pkgconf"),
    "openssl": ("libssl-dev",),
    "pg": ("libpq-dev",),
    "psych": ("libyaml-dev",),
    "rmagick": ("libmagickwand-dev", "pkgconf"),
    "ruby-ldap": ("libldap-dev",),
    "rugged": ("cmake", "libgit2-dev", "pkgconf"),
    "snappy": ("libsnappy-dev",),
    "sqlite3": ("libsqlite3-dev", "pkgconf"),
    "tiny_tds": ("freetds-dev",),
    "typhoeus": ("libcurl4t64",),
    "zlib": ("zlib1g-dev",),
}
# How a machine without Ruby locks gems.
_LOCK = "bundle lock (without Ruby: fpack run debian.trixie.bundler -- bundle lock)"
_GEM = re.compile(r"^[ \t]*gem[\s(]+[\"']([\w.-]+)[\"']", re.MULTILINE)
_SPEC = re.compile(r"^    ([\w.-]+) \(([^()\s]+)\)$", re.MULTILINE)
_PROGRAM = (
    r"bin/(?!(bundle|rails|rake|setup|dev|console|spring|brakeman|rubocop|importmap|kamal|thrust|jobs|ci|test)\Z)[^/.]+"
)


def ruby(project: Project) -> Guess | None:
    """Guess from the Gemfile, or from the only gemspec."""
    specs = sorted(file for file in project.files if re.fullmatch(r"[\w.-]+\.gemspec", file))
    if not project.has("Gemfile") and not specs:
        return None
    reasons: list[str] = []
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    spec = project.text(specs[0]) if specs else ""
    alone = _stands_alone(project, specs)
    if alone:
        reasons.append(f"{specs[0]}: a gem that depends on no other")
        fields.append(("gem", "true"))
        if re.search(r"\.extensions\b", spec):
            fields.append(("native", "true"))
    elif project.has("Gemfile"):
        reasons.append("Gemfile: a Ruby project")
        fields += _gems(project, reasons, todo)
    else:
        reasons.append(f"{specs[0]}: a gem")
        todo.append(f'write a Gemfile with the lines source "https://rubygems.org" and gemspec, and lock it: {_LOCK}')
    programs = _programs(project, spec, alone)
    entrypoint: list[str] | None = None
    ports: list[int] = []
    if project.has("config.ru"):
        entrypoint, ports = _server(project, reasons)
    elif programs:
        chosen = _named(programs, [spec_name(spec), project.name])
        entrypoint = [f"@/bin/{chosen.rpartition('/')[2]}"]
        reasons.append(f"the image runs {chosen}")
    elif project.has("app.rb", "server.rb", "main.rb"):
        file = project.has("app.rb", "server.rb", "main.rb")
        entrypoint = ["@/bin/bundle-ruby" if ("lock", "./Gemfile.lock") in fields else "/usr/bin/ruby", f"@/app/{file}"]
        reasons.append(f"the image runs {file}")
    elif not specs:
        todo.append("set the image's `entrypoint` to the program to run")
    library = bool(specs) and entrypoint is None
    if library:
        reasons.append(LIBRARY)
    name = clean_name(spec_name(spec) or None, project)
    stated = re.search(r"\.version\s*=\s*[\"']([\w.]+)[\"']", spec)
    version = clean_version(stated[1]) if stated else None
    made = Guess("ruby", name, version, fields, [], entrypoint, ports, reasons, todo, library)
    return with_rails(made, project) if is_rails(project) and ports else made


def spec_name(spec: str) -> str:
    """Return the name that a gemspec states, or ""."""
    found = re.search(r"\.name\s*=\s*[\"']([\w.-]+)[\"']", spec)
    return found[1] if found else ""


def _stands_alone(project: Project, specs: Sequence[str]) -> bool:
    """Return whether the source is a gem whose gemspec names no other gem that it needs, and nothing locks any."""
    if len(specs) != 1 or project.has("Gemfile.lock", "config.ru"):
        return False
    if any(file.startswith("vendor/cache/") for file in project.files):
        return False
    return not re.search(r"\.add_(?:runtime_)?dependency\b", project.text(specs[0]))


def _programs(project: Project, spec: str, alone: bool) -> list[str]:
    """Return the files that become commands. alone: only those that the gemspec installs do."""
    folder = re.search(r"\.bindir\s*=\s*[\"']([\w/.-]+)[\"']", spec)
    if not alone:
        found = sorted(file for file in project.files if re.fullmatch(_PROGRAM, file))
        return found + sorted(file for file in project.files if re.fullmatch(r"exe/[^/.]+", file))
    if not re.search(r"\.executables\b", spec):
        return []
    start = f"{folder[1] if folder else 'bin'}/"
    listed = re.search(r"\.executables\s*(?:=|<<)\s*(?:\[([^\]]*)\]|%w\[([^\]]*)\]|([\"'][^\"'\n]*[\"']))", spec)
    names = re.findall(r"[\w-]+", " ".join(filter(None, listed.groups()))) if listed else []
    files = [file for file in sorted(project.files) if file.startswith(start) and "/" not in file[len(start) :]]
    return [file for file in files if file[len(start) :] in names] or files


def _named(programs: Sequence[str], names: Sequence[str]) -> str:
    return next((p for name in names for p in programs if p.rpartition("/")[2] == name), programs[0])


def _gems(project: Project, reasons: list[str], todo: list[str]) -> list[tuple[str, str]]:
    """Return the fields for the gems, and tell where they come from."""
    if not project.has("Gemfile.lock"):
        todo.append(f"lock the gems: {_LOCK}")
    vendored = [file for file in project.files if file.startswith("vendor/cache/")]
    native = [gem for gem in vendored if re.search(r"^extensions:\n *- ", project.text(gem), re.MULTILINE)]
    if vendored:
        if native:
            verb = "is" if len(native) == 1 else "are"
            reasons.append(f"vendor/cache: vendored gems; {few(native)} {verb} compiled")
            return [("native", "true")]
        reasons.append("vendor/cache: vendored gems")
        return []
    content = project.text("Gemfile.lock")
    if re.search(r"^GIT$", content, re.MULTILINE):
        todo.append("vendor the gems, as some come from git: bundle package --all")
        return []
    gems = dict(_SPEC.findall(_section(content)))
    named = _GEM.findall(project.text("Gemfile"))
    if not gems and not project.has("Gemfile.lock") and named:
        # Which others these need is known when they are locked: some may be compiled.
        return [("lock", "./Gemfile.lock"), ("native", "true"), *_libraries("Gemfile", named, reasons)]
    if not gems:
        return [("lock", "./Gemfile.lock")] if not project.has("Gemfile.lock") else []
    fields = [("lock", "./Gemfile.lock"), ("native", "true")]
    summed = re.search(r"^CHECKSUMS$", content, re.MULTILINE) is not None
    with_sums = " with checksums" if summed else ""
    reasons.append(f"Gemfile.lock: {len(gems)} gem{'' if len(gems) == 1 else 's'}{with_sums}")
    if not summed:
        reasons.append("Gemfile.lock: it has no checksums; those of the gems are recorded in fpack.lock")
    return fields + _libraries("Gemfile.lock", gems, reasons)


def _libraries(file: str, gems: Iterable[str], reasons: list[str]) -> list[tuple[str, str]]:
    """Return the field for the libraries that gems are compiled with. file: names the gems."""
    by = sorted({gem for gem in gems if gem in NEEDS})
    needs = sorted({package for gem in by for package in NEEDS[gem]})
    if not needs:
        return []
    reasons.append(f"{file}: {few(by)} need{'s' if len(by) == 1 else ''} {', '.join(needs)}")
    return [("libs", f"[{', '.join(f'debian.{package}' for package in needs)}]")]


def _section(lock: str) -> str:
    """Return the blocks of a lock with gems from servers."""
    return "\n".join(block for block in lock.replace("\r", "").split("\n\n") if block.startswith("GEM\n"))


def _server(project: Project, reasons: list[str]) -> tuple[list[str], list[int]]:
    """Return the command that serves a Rack application, and its port."""
    gems = project.text("Gemfile") + project.text("Gemfile.lock")
    rails = is_rails(project)
    port = 3000 if rails else 9292
    if re.search(r"\bpuma\b", gems):
        command = ["@/bin/puma", "--bind", f"tcp://0.0.0.0:{port}", "@/app/config.ru"]
    elif re.search(r"\bunicorn\b", gems):
        command = ["@/bin/unicorn", "--host", "0.0.0.0", "--port", str(port), "@/app/config.ru"]
    else:
        command = ["@/bin/rackup", "--host", "0.0.0.0", "--port", str(port), "@/app/config.ru"]
    kind = "config/application.rb: Rails" if rails else "config.ru: Rack"
    reasons.append(f"{kind}; the image runs {shown(command[:1])}")
    return command, [port]
