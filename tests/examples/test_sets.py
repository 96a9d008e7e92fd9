"""The examples of package sets: a company's 150 packages with layers, and 40 services in three environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.store import derivation
from support.archives.packages import Everything, Files
from support.examples import EXAMPLES

SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}


class Example:
    """The project of an example, evaluated once."""

    def __init__(self, name: str, cache: Path) -> None:
        self.place = EXAMPLES / name
        self.evaluator = Evaluator(
            root=self.place, cache=cache, packages=Everything(), sources=Files(), settings=SETTINGS
        )

    def ask(self, text: str) -> Any:
        """Return the value of an expression that may use `project`, the record of fpack.fp."""
        return self.evaluator.to_json(self.evaluator.expression(f'let project = import("./fpack.fp") in {text}'))


PARTS = ("base", "data", "net", "media", "shop", "people", "ops", "plant", "apps")


class Company(Example):
    def packages(self, of: str) -> dict[str, dict[str, Any]]:
        """Return the packages of a set by their names in it: name, path and the names of the direct libraries."""
        shown = '{ name = p.name, out = "${p.out}", libs = map(p.libs, l => "${l.out}") }'
        every = ", ".join(f"{part} = {{ ${{n}} = {shown} for n, p in project.{of}.{part} }}" for part in PARTS)
        return {f"{part}.{n}": p for part, ps in self.ask(f"{{ {every} }}").items() for n, p in ps.items()}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for the compiled files of all tests."""
    return tmp_path_factory.mktemp("modules")


@pytest.fixture
def company(modules: Path) -> Company:
    return Company("company", modules)


@pytest.fixture(scope="module")
def before(modules: Path) -> dict[str, dict[str, Any]]:
    """Return the company's packages without a layer."""
    return Company("company", modules).packages("set")


def above(packages: dict[str, dict[str, Any]], name: str) -> set[str]:
    """Return the packages that are linked with a package, directly or not, and itself."""
    by_path = {p["out"]: n for n, p in packages.items()}
    found = {name}
    while more := {n for n, p in packages.items() if {by_path[lib] for lib in p["libs"]} & found} - found:
        found |= more
    return found


def differing(a: dict[str, dict[str, Any]], b: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name in a if a[name]["out"] != b[name]["out"]}


def test_a_company_has_150_packages(before: dict[str, dict[str, Any]]) -> None:
    assert len(before) == 151, "150, and the old version of one"
    assert len({p["out"] for p in before.values()}) == 151


def test_one_library_is_patched_for_all_and_nothing_else_changes(
    company: Company, before: dict[str, dict[str, Any]]
) -> None:
    after = company.packages("hardened")
    assert differing(before, after) == above(before, "base.hash")
    assert 20 < len(above(before, "base.hash")) < 151


def test_layers_reach_everything_in_any_order(company: Company, before: dict[str, dict[str, Any]]) -> None:
    after = company.packages("everything")
    assert differing(before, after) == set(before), "all are compiled with other flags"
    other = company.ask(
        "let debug = package-set(./overlays/hardened, project.set.extend(project.debug)), "
        'set = debug.extend { base.tls.version = "4.0.0" } '
        "in [set.apps.terminal.out, set.net.http.out, set.base.tls.version]"
    )
    assert other == [after["apps.terminal"]["out"], after["net.http"]["out"], "4.0.0"]


def test_two_versions_of_one_library_are_in_one_program(company: Company) -> None:
    found = company.ask(
        "[[l.name, l.version] for p in [project.set.apps.terminal, project.set.net.http] for l in p.libs]"
    )
    assert ["base-tls", "1.1.1"] in found and ["base-tls", "3.2.0"] in found


def test_one_package_reads_the_files_that_it_is_made_of(company: Company) -> None:
    company.ask("project.set.apps.terminal.out")
    read = {
        Path(p).relative_to(company.place / "pkgs").as_posix() for p in company.evaluator.own_files if "/pkgs/" in p
    }
    assert read == {
        "component.fp", "debian.fp", "flags.fp", "apps/terminal.fp", "base/tls-1.fp", "base/tls.fp", "base/hash.fp",
        "base/log.fp", "net/http.fp", "net/socket.fp",
    }  # fmt: skip


# ---- the monorepo


@pytest.fixture
def monorepo(modules: Path) -> Example:
    return Example("monorepo", modules)


def test_services_are_a_few_lines_each() -> None:
    place = EXAMPLES / "monorepo"
    services = [len(file.read_text().splitlines()) for file in place.glob("shop/services/*/default.fp")]
    common = sum(len(file.read_text().splitlines()) for file in [place / "fpack.fp", *place.glob("shop/*.fp")])
    assert len(services) == 40 and sum(services) / 40 < 6 and common < 80


def test_each_environment_has_its_images_and_configurations(monorepo: Example) -> None:
    text = ", ".join(
        f"{e} = {{ ${{n}} = [s.config, s.replicas] for n, s in project.{e}.services }}"
        for e in ("development", "staging", "production")
    )
    found = monorepo.ask(f"{{ {text} }}")
    images = monorepo.ask(
        "[...[s.image.image.out for _, s in project.production.services], "
        "project.staging.services.cart.image.image.out]"
    )
    assert len(set(images)) == 41 and all(len(services) == 40 for services in found.values())
    assert found["production"]["orders"][0] == {
        "name": "orders",
        "port": 8016,
        "stage": "production",
        "log": "info",
        "peers": {
            "stock": "http://stock.example.org:8019",
            "shipping": "http://shipping.example.org:8017",
            "invoices": "http://invoices.example.org:8022",
        },
    }
    assert {n: r for n, (_, r) in found["production"].items() if r != 4} == {"cart": 12}
    assert {r for _, r in found["development"].values()} == {1}
    # Services may need each other.
    assert "orders" in found["staging"]["shipping"][0]["peers"]


def test_what_a_cluster_runs_is_generated_from_all_services(monorepo: Example) -> None:
    digest, _, _ = monorepo.evaluator.derivation_of(
        monorepo.evaluator.expression('import("./fpack.fp").production.deployment')
    )
    listed = json.loads(str(derivation.decode(monorepo.evaluator.derivations[digest]).args["text"]))
    assert len(listed) == 40
    assert listed[4] == {
        "image": "registry.example.org/shop/cart:production", "name": "cart", "port": 8008, "replicas": 12,
    }  # fmt: skip
    routes = monorepo.ask('project.staging.gateway.files."/etc/nginx/conf.d/shop.conf"')
    assert routes.count("proxy_pass http://") == 40 and "http://cart.staging.example.org:8008/" in routes
