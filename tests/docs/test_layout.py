"""The layout of sources and tests: every directory is packaged, none is crowded, and a class name means one thing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import grimp
from support.paths import REPOSITORY, TESTS
from support.sources import ROOMS, trees

MOST = 22  # modules in a directory; the verbs and the kinds are one module each
DATA = {"pkgs", "lang/std"}  # files of the language


def directories() -> dict[str, list[Path]]:
    """Return the modules of each directory, by its path in the repository."""
    found = defaultdict(list)
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            found[path.parent.relative_to(REPOSITORY).as_posix()].append(path)
    return found


def test_the_files_that_the_architecture_names_exist() -> None:
    """A name without a folder is of the folder of the name before it, or of one above that."""
    text = (REPOSITORY / "docs/architecture.md").read_text().partition("## Where is")[2]
    names = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|\.fp|/))`", text)
    assert len(names) > 80
    folder = REPOSITORY
    missing = []
    for name in names:
        bases = (REPOSITORY, folder, *folder.parents)
        found = next((base / name for base in bases if (base / name).exists()), None)
        if found is None:
            missing.append(name)
        else:
            folder = found if found.is_dir() else found.parent
    assert missing == []


def test_every_directory_is_packaged() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {name.removeprefix("fpack.").replace(".", "/") for name in project["tool"]["setuptools"]["packages"]}
    mapped = {name.removeprefix("fpack."): path for name, path in project["tool"]["setuptools"]["package-dir"].items()}
    # `cli/script` has what is installed outside of the packages, and what is used while fpack is built.
    assert {mapped.get(name, name) for name in packages} == set(directories()) - {"cli/script"}


def directories_of_tests() -> dict[str, list[Path]]:
    """Return the modules of each directory of tests, by its path in the repository."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("*.py")):
        found[path.parent.relative_to(REPOSITORY).as_posix()].append(path)
    return found


def test_no_directory_is_crowded() -> None:
    sizes = {name: len(paths) for name, paths in {**directories(), **directories_of_tests()}.items()}
    crowded = {name for name, size in sizes.items() if size > MOST}
    assert crowded <= {"cli/verbs", "builders/kinds", "tests/cli/verbs"}, {name: sizes[name] for name in crowded}


def test_every_directory_says_what_it_holds() -> None:
    found = {path: tree for path, tree in trees().items() if path.name == "__init__.py"}
    found |= {path: ast.parse(path.read_text()) for path in (TESTS / "support").rglob("__init__.py")}
    assert [str(path) for path, tree in found.items() if not ast.get_docstring(tree)] == []


def test_every_directory_of_shared_code_is_a_package() -> None:
    support = (TESTS / "support").rglob("*.py")
    silent = {path.parent for path in support if not (path.parent / "__init__.py").exists()}
    assert silent <= {TESTS / "support"}


def test_a_class_name_stands_in_one_file() -> None:
    places = defaultdict(set)
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(path.relative_to(REPOSITORY).as_posix())
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}


# Containers of modules that are filled: the comment beside each says why it cannot grow with the input.
FILLED = {
    "builders/sandbox/spawner.py _shown",
    "cli/signals.py _received",
    "lang/runtime/records/call_layers.py _BUILTINS",
    "lang/runtime/derivations.py _NONE",
    "lang/runtime/limits.py _before",
    "store/files/filters/own_outputs.py _written",
    "store/files/filters/own_outputs.py _written_names",
}


def filled(statement: ast.stmt) -> list[str]:
    """Return the names that a statement of a module gives an empty container which can be filled."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    value = getattr(statement, "value", None)
    is_empty = (isinstance(value, ast.Dict) and not value.keys) or (isinstance(value, ast.List) and not value.elts)
    is_call = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in {
        "dict", "list", "set", "deque", "defaultdict", "OrderedDict", "Counter", "WeakKeyDictionary",
    }  # fmt: skip
    if not (is_empty or is_call) or ast.unparse(getattr(statement, "annotation", value)).startswith("Mapping["):
        return []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def unbounded(statement: ast.stmt) -> list[str]:
    """Return the name of a function that remembers the results for all arguments that it is ever called with."""
    if not isinstance(statement, ast.FunctionDef) or not ast.unparse(statement.args):
        return []
    decorators = {ast.unparse(decorator).removeprefix("functools.") for decorator in statement.decorator_list}
    return [statement.name] if decorators & {"cache", "lru_cache(None)", "lru_cache(maxsize=None)"} else []


def test_the_caches_of_modules_have_bounds() -> None:
    found = set()
    for path, tree in trees().items():
        for node in tree.body:
            found |= {f"{path.relative_to(REPOSITORY)} {name}" for name in filled(node) + unbounded(node)}
    assert found == FILLED


def test_a_finished_error_is_not_modified() -> None:
    attributes = {"what", "where", "why", "hint", "exit_code", "span", "calls", "others", "failures", "retry_after"}
    attributes.add("through_old")
    found = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in attributes
        and ast.unparse(node.value) != "self"
    ]
    assert found == []


# Values and the changes of records are one recursive definition: a field that is missing is told with the fields that
# are there, and a change of a record may be the call of a function again, whose argument is a changed record.
RECURSIVE = {
    "lang.runtime.field_errors lang.runtime.records.retargeting lang.runtime.values",
    "lang.runtime.records.call_layers lang.runtime.records.layers lang.runtime.records.nested_fields "
    "lang.runtime.records.parts",
}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports in functions count, and those for types alone do not."""
    graph = grimp.build_graph("fpack", cache_dir=None, exclude_type_checking_imports=True)
    circles = set()
    for module in graph.modules:
        if circle := graph.find_upstream_modules(module) & graph.find_downstream_modules(module):
            circles.add(" ".join(sorted(name.removeprefix("fpack.") for name in {module, *circle})))
    assert circles == RECURSIVE
