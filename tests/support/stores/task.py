"""A `Task` over a pool in a temporary directory, and a runner that answers a builder's needs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from fpack.builders.protocol import Builder, Built, BuiltAll, Steps
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.files.checked_tree import CheckedTree, CheckedTrees
from fpack.store.files.pool import Pool
from fpack.store.files.tree import scan, tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.graph import reachable
from fpack.store.path import StorePath


class FakeStore:
    """Outputs in `root/store`, each tree at its content-addressed name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store"
        self.store.mkdir(parents=True)
        (root / "files").mkdir()
        self.pool = Pool(root / "files")
        self.tasks: list[FakeTask] = []
        self.references: dict[StorePath, tuple[StorePath, ...]] = {}
        self._digests: dict[StorePath, bytes] = {}
        self._trees = CheckedTrees(self._digests.get, self.disk)
        self._count = 0

    def fresh(self) -> Path:
        """Return a path that nothing is at, below the store's root."""
        self._count += 1
        return self.root / f"tmp-{self._count}"

    def disk(self, path: StorePath | str) -> Path:
        """Return the path on disk of a store path, or of a file below one."""
        text = str(path)
        assert text.startswith(store_path.STORE + "/"), text
        return self.store / text[len(store_path.STORE) + 1 :]

    def tree(self, path: StorePath | str) -> CheckedTree:
        """Return a reader of a store path."""
        return self._trees.tree(path if isinstance(path, StorePath) else store_path.parse(path))

    def trust(self, path: StorePath) -> StorePath:
        """Take what lies at a path as registered."""
        self._digests[path] = tree_digest(scan(str(self.disk(path))))
        return path

    def tree_at(self, place: Path) -> CheckedTree:
        """Return a reader of any directory, which is taken to be as it was registered."""
        path = store_path.make("forged", bytes(32), [])
        digest = tree_digest(scan(str(place)))
        return CheckedTree(path, place, lambda: digest, {}, set())

    def add(self, name: str, writer: TreeWriter, references: Sequence[StorePath] = ()) -> StorePath:
        """Register a finished tree."""
        path = store_path.make(name, writer.finish(), list(references))
        self.references[path] = tuple(references)
        self._digests.setdefault(path, writer.finish())
        place = self.store / path.base
        if not place.exists():
            writer.disk.rename(place)
        return path

    def add_file(self, name: str, content: bytes) -> StorePath:
        """Register a file."""
        writer = TreeWriter(self.pool, self.fresh())
        writer.file("", [content])
        return self.add(name, writer)

    def build(
        self,
        builder: Builder,
        name: str,
        args: Mapping[str, Value],
        candidates: tuple[Output, ...] = (),
        answer: Callable[[Output | Derivation], StorePath] | None = None,
    ) -> StorePath:
        """Run `builder`, answering each need by `answer`, and register what it made."""
        task = FakeTask(self, name, args, candidates)
        self.tasks.append(task)
        made = builder.build(task)
        if isinstance(made, Generator):
            made = _run(task, made, answer)
        assert isinstance(made, Built)
        return self.add(name, made.writer, made.references)


def _run(task: FakeTask, steps: Steps, answer: Callable[[Output | Derivation], StorePath] | None) -> Built | BuiltAll:
    """Run a builder that yields its needs, and return its result."""
    reply: list[StorePath] | None = None
    while True:
        try:
            need = next(steps) if reply is None else steps.send(reply)
        except StopIteration as stop:
            result: Built | BuiltAll = stop.value
            return result
        assert answer is not None
        task.needs.append(list(need.wanted))
        reply = [answer(wanted) for wanted in need.wanted]


class FakeTask:
    """One run. `needs`: what the builder asked for; `lines`: its log; `places`: its trees."""

    def __init__(
        self, store: FakeStore, name: str, args: Mapping[str, Value], candidates: tuple[Output, ...] = ()
    ) -> None:
        self.name = name
        self.args = args
        self.candidates = candidates
        self.outputs: tuple[str, ...] = ("out",)
        self.lines: list[str] = []
        self.needs: list[list[Output | Derivation]] = []
        self.places: list[Path] = []
        self._store = store

    def disk(self, path: StorePath | str) -> Path:
        """Return the path on disk of a store path."""
        return self._store.disk(path)

    def tree(self, path: StorePath | str) -> CheckedTree:
        """Return a reader of a store path."""
        return self._store.tree(path)

    def view(self, root: StorePath) -> Path:
        """Fail: builders that run programs are tested with the real scheduler."""
        raise AssertionError(f"a FakeTask has no view of {root}")

    def payload(self, slice_: StorePath) -> StorePath | None:
        """Return None: a FakeStore does not record what a slice was cut from."""
        return None

    def closure(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """Return the paths and all that they reference."""
        return sorted(reachable(paths, lambda path: self._store.references.get(path, ())))

    def writer(self) -> TreeWriter:
        """Return a new tree."""
        place = self._store.fresh()
        self.places.append(place)
        return TreeWriter(self._store.pool, place)

    def scratch(self) -> Path:
        """Return an empty directory."""
        place = self._store.fresh()
        place.mkdir()
        return place

    def resume_dir(self) -> Path:
        """Return an empty directory."""
        return self.scratch()

    def progress(self, done: int, total: int) -> None:
        """Progress is in range."""
        assert done >= 0 and (not total or done <= total)

    def log(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)

    def warn(self, text: str) -> None:
        """Keep it as a line."""
        self.lines.append(text)

    def check(self) -> None:
        """Never cancelled."""
