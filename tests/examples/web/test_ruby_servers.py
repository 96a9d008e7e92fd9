"""Rails and Sinatra applications with the gems of a server are locked, built, packed and run; a gem may be compiled."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.examples import World, write_files
from support.needs import needs_podman
from support.processes.podman import Container, Podman
from support.processes.serving import fetch, running
from support.servers import gem_server
from support.servers.httpserver import Server

pytestmark = [pytest.mark.network, *needs_podman]

# A gem with an extension that links zlib. Its name is none that `fpack init` knows a library for.
NATIVE = {
    "deflated.gemspec": 'Gem::Specification.new do |s|\n  s.name = "deflated"\n  s.version = "1.0.0"\n'
    '  s.summary = "Sizes of deflated texts"\n  s.authors = ["Ann"]\n  s.files = Dir["{lib,ext}/**/*"]\n'
    '  s.extensions = ["ext/deflated/extconf.rb"]\nend\n',
    "lib/deflated.rb": 'require "deflated/deflated"\n',
    "ext/deflated/extconf.rb": 'require "mkmf"\nabort "zlib.h is missing" unless have_header("zlib.h")\n'
    'have_library("z", "compressBound")\ncreate_makefile("deflated/deflated")\n',
    "ext/deflated/deflated.c": "#include <ruby.h>\n#include <zlib.h>\n"
    "static VALUE bound(VALUE self, VALUE n) { return ULONG2NUM(compressBound(NUM2ULONG(n))); }\n"
    'void Init_deflated(void) { rb_define_module_function(rb_define_module("Deflated"), "bound", bound, 1); }\n',
}
BLOG = "rails new blog --asset-pipeline propshaft " + " ".join(
    f"--skip-{part}" for part in ("bundle", "git", "test", "docker", "javascript", "brakeman", "rubocop")
)
PAGES = {
    "config/routes.rb": 'Rails.application.routes.draw do\n  root "notes#index"\n'
    '  get "up" => "rails/health#show", as: :rails_health_check\nend\n',
    "db/migrate/20240101000000_create_notes.rb": "class CreateNotes < ActiveRecord::Migration[7.2]\n"
    "  def change\n    create_table(:notes) { |t| t.string :title }\n  end\nend\n",
    "app/models/note.rb": "class Note < ApplicationRecord\nend\n",
    "app/controllers/notes_controller.rb": "class NotesController < ApplicationController\n"
    '  def index\n    Note.create!(title: "entry #{Note.count + 1}")\n    @notes = Note.order(:id)\n  end\nend\n',
    "app/views/notes/index.html.erb": "<% @notes.each do |note| %><p><%= note.title %></p><% end %>\n"
    '<script type="importmap">{"imports": {"hello": "<%= asset_path("hello.js") %>"}}</script>\n',
    "app/assets/javascripts/hello.js": 'export const word = "hello"\n',
}
SINATRA = {
    "Gemfile": 'source "https://rubygems.org"\ngem "sinatra"\ngem "rackup"\ngem "puma"\ngem "deflated"\n',
    "config.ru": 'require_relative "app"\nrun Sizes\n',
    "app.rb": 'require "sinatra/base"\nrequire "deflated"\nclass Sizes < Sinatra::Base\n'
    "  set :host_authorization, permitted_hosts: []\n"
    '  get("/:n") { "#{params["n"]}: #{Deflated.bound(params["n"].to_i)}\\n" }\nend\n',
}


@pytest.fixture(scope="module")
def gems(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the gems of Rails and Sinatra; a new Rails application lies beside them."""
    packages = ["rails", "ruby-rails-propshaft", "ruby-sinatra", "ruby-rackup", "puma", "ruby-sqlite3"]

    def build(directory: Path) -> str:
        done = world.fpack("build", "gems", "--no-link", "--json", cwd=directory, timeout=900)
        path: str = json.loads(done.stdout)["path"]
        return path

    # The sources' own libraries are not needed to make gems of them.
    path = gem_server.make(build, tmp_path_factory.mktemp("gems"), packages, {"deflated": NATIVE}, f"cd $out; {BLOG}")
    with Server(Path(world.fpack.env["FPACK_ROOT"], "store", Path(path).name)) as server:
        yield server


def _locked(world: World, place: Path, env: Mapping[str, str]) -> None:
    told = json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"]
    assert told == ["lock the gems: bundle lock (without Ruby: fpack run debian.trixie.bundler -- bundle lock)"]
    (place / "fpack.fp").unlink()
    words = ["run", "debian.trixie.bundler", "--", "bundle", "lock", "--add-checksums"]
    world.fpack(*words, cwd=place, env=env, timeout=600)
    assert "sha256=" in (place / "Gemfile.lock").read_text()
    assert json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"] == []


def _page(container: Container, port: int, path: str) -> str:
    """Return what a Rails application answers to a proxy that ends TLS."""
    container.wait_for("Listening on http")
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def _stop(podman: Podman, container: Container) -> None:
    """Wait until Puma says that it stops.

    Its process may then stay for ever, also without a container (4 of 1,800 stops on a loaded machine): its thread
    closes a pipe and waits for the last writer, and the writer, a handler of the signal, waits for the thread.
    """
    podman("kill", "-s", "TERM", container.name)
    container.wait_for("Gracefully stopping")


def test_a_rails_application(world: World, gems: Server, podman: Podman, tmp_path: Path) -> None:
    place = tmp_path / "blog"
    shutil.copytree(gems.folder / "blog", place)
    subprocess.run(["chmod", "-R", "u+w", place], check=True)
    (place / "bin/rails").chmod(0o755)
    write_files(place, PAGES)
    env = gem_server.environment(gems.url)
    _locked(world, place, env)
    text = (place / "fpack.fp").read_text()
    assert "assets = true" in text and "/config/master.key" in (place / ".gitignore").read_text()
    packed = world.fpack.pack(cwd=place, env=env, timeout=900)
    image = podman.load(place / packed["file"])
    failed = podman.run(image, check=False)
    assert failed.returncode == 1 and "the secret is missing: podman run -e " in failed.stderr
    volume = podman("volume", "create").stdout.strip()
    key = (place / "config/master.key").read_text() if (place / "config/master.key").exists() else ""
    variables = [f"RAILS_MASTER_KEY={key}"] if key else [f"SECRET_KEY_BASE={'5' * 128}"]
    options = ["-v", f"{volume}:/var/lib/blog", "-e", *variables]
    with running(podman, image, options=options) as container:
        # The first start makes the tables.
        first = _page(container, 3000, "/")
        assert "<p>entry 1</p>" in first
        script = re.search(r'"(/assets/hello-[0-9a-f]+\.js)"', first)
        style = re.search(r'"(/assets/application-[0-9a-f]+\.css)"', first)
        assert script and style
        assert 'word = "hello"' in _page(container, 3000, script[1])
        assert _page(container, 3000, style[1])
        _stop(podman, container)
    with running(podman, image, options=options) as container:
        assert _page(container, 3000, "/up")
        assert "<p>entry 1</p><p>entry 2</p>" in _page(container, 3000, "/")
    assert world.fpack("build", "blog", "--check", "--no-link", cwd=place, env=env, timeout=900)


def test_a_gem_that_is_compiled_asks_for_its_library(
    world: World, gems: Server, podman: Podman, tmp_path: Path
) -> None:
    place = write_files(tmp_path / "sizes", SINATRA)
    env = gem_server.environment(gems.url)
    _locked(world, place, env)
    failed = world.fpack.fails("build", "sizes", cwd=place, env=env, timeout=900)
    assert "zlib.h" in failed and "zlib1g-dev" in failed
    world.fpack("fix", "sizes", cwd=place, env=env, timeout=900)
    assert "debian.zlib1g-dev" in (place / "fpack.fp").read_text()
    packed = world.fpack.pack(cwd=place, env=env, timeout=900)
    with running(podman, podman.load(place / packed["file"])) as container:
        assert fetch(container, "http://127.0.0.1:9292/100").body == "100: 113\n"
        _stop(podman, container)
