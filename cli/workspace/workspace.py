"""Connect the parts that a verb works with: the store, the evaluator, the lock and the package source.

Each part is created on first use, so a verb pays only for the parts that it needs.
"""

from __future__ import annotations

import os
import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from fpack.cli.architecture import machine_arch
from fpack.cli.paths import PROJECT_FILE, cache_directory
from fpack.cli.shared_options import SharedOptions
from fpack.cli.ui.render import note, short, warn
from fpack.cli.version import VERSION
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store import DAY
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import StorePath
from fpack.store.root import default_root
from fpack.store.settings import JOBS

from . import target as targets
from .curated import package_directory
from .target import Target

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.debian.mirrors import Mirrors
    from fpack.builders.debian.package_source import DebianSource
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.mirrors.places import KeptPlaces
    from fpack.builders.net.backoff import HostBackoff
    from fpack.builders.net.http import Http
    from fpack.builders.net.origins import Origins
    from fpack.builders.protocol import Builder
    from fpack.lang.evaluator import Evaluator
    from fpack.store.files.source import SourceSelection
    from fpack.store.store import Store

    from .plans.package_answers import PackageAnswers

LOCK_FILE = "fpack.lock"


class Workspace:
    """The parts that one command works with. Use it as a context manager, and call `finish` at the end of a success."""

    def __init__(self, options: SharedOptions) -> None:
        self.options = options
        self._project: Path | None = None
        self._root: Path | None = None
        self._lock_read = b""  # the digest of the lock that `source` has read
        self._target: Target | None = None
        self._repositories: dict[str, Repository] = {}
        self.keep_blobs = True  # the layers of base images are needed on this machine
        self.described: set[StorePath] = set()  # paths of the store whose trees lack files, see `DamageRepairs`
        self._no_packages: FpackError | None = None  # why a bare name was not searched among Debian's packages
        self.found_sources: dict[str, Path] = {}  # sources of no evaluation, as `source_paths`
        self.cut_off: Mapping[str, list[str]] = {}  # what the last `realise` cut off early, as `Scheduler.cut_off`

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()
        if isinstance(value, FpackError) and self._target is not None:
            from .left_to_do import add_notes

            add_notes(value, self._target)

    # Targets and their values.

    def target(self, text: str | None, default: str = "image", *, own_lock: bool = False) -> Target:
        """Parse the target that a command's argument names, and choose its lock.

        own_lock: use the user's lock for packages that are not defined in the project, and leave the project's alone.
        """
        from .evaluation.target_values import release_of

        target = self.parsed(text, default)
        if own_lock and target.project is not None and target.file is None and not self._is_defined(target):
            target = target._replace(project=None)
            self.__dict__.pop("evaluator", None)
            self.__dict__.pop("source", None)
            self._choose(target)
        release, error = release_of(self, target)
        self._no_packages = error or self._no_packages
        return target if release is None else target._replace(package=(release, target.path[0]))

    def parsed(self, text: str | None, default: str = "image") -> Target:
        """Parse a target as `target` does, without a look at what a bare name means."""
        target = targets.parse(text, Path.cwd(), default)
        self._choose(target)
        return target

    def _choose(self, target: Target) -> None:
        self._target = target
        self._project = target.project
        self._root = target.project or (target.file.parent if target.file else None)

    def _is_defined(self, target: Target) -> bool:
        """Return whether a target is an attribute of the project's file."""
        assert target.project is not None
        if target.package is not None or target.store:
            return False
        return bool(target.expression) or target.path[0] in self.evaluator.load(target.project / PROJECT_FILE)

    def value(self, target: Target) -> Any:
        """Return the value that a target names. That of a store path is what it was built from."""
        from .evaluation.target_values import value_of

        return value_of(self, target, self._no_packages)

    def field(self, record: Mapping[str, Any], name: str) -> Any:
        """Return a field of a record, evaluated, or None if the record does not have it."""
        return self.evaluator.force(record[name]) if name in record else None

    def output(self, value: Any) -> Output:
        """Return the output of a derivation, or of a record that has one."""
        digest, output, _ = self.evaluator.derivation_of(value)
        return Output(digest, output)

    def forget_evaluation(self) -> None:
        """Forget what was evaluated, as files of the project have changed since."""
        self.__dict__.pop("evaluator", None)

    def use_project(self, directory: Path | None) -> None:
        """Choose the lock of a project, or the user's lock if `directory` is None."""
        self._project = directory

    # The parts.

    @cached_property
    def store(self) -> Store:
        """The store of this machine."""
        from fpack.builders.kinds.table import generation
        from fpack.store.store import Store

        store = Store()
        store.database.use_generation(generation())
        return store

    @property
    def project_name(self) -> str:
        """The directory of the project's file, by which the store knows uses of paths; "" without a project."""
        return os.fspath(self._root.absolute()) if self._root is not None else ""

    @property
    def directory(self) -> Path | None:
        """The directory of the project or of the target's file."""
        return self._root or self._project

    @property
    def has_store(self) -> bool:
        """True if this machine already has a store."""
        return (default_root() / "db").is_dir()

    def usable_store(self) -> Store | None:
        """Return the store of this machine, or None if there is none or it is broken: some verbs can do without it."""
        try:
            return self.store if self.has_store else None
        except FpackError:
            return None

    @cached_property
    def builders(self) -> Mapping[str, Builder]:
        """The builder of each kind of derivation."""
        from fpack.builders.kinds.table import Builders

        return Builders(self)

    @property
    def source_paths(self) -> Mapping[str, Path]:
        """The path of each source of the evaluation, by the digest of its tree."""
        return ChainMap(self.evaluator.source_paths, self.found_sources)

    @property
    def source_selections(self) -> Mapping[str, SourceSelection]:
        """The selection of each source of the evaluation that has one, by the digest of its tree."""
        return self.evaluator.source_selections

    @property
    def keep_failed(self) -> bool:
        """True if the directory of a failed build is kept."""
        return self.options.keep_failed or self.options.shell_on_failure

    @cached_property
    def arch(self) -> str:
        """The Debian architecture to build for."""
        return self.options.arch or machine_arch()

    @cached_property
    def source(self) -> DebianSource:
        """Debian's packages, as locked by the project, or by the user's lock, which is refreshed when it is old."""
        from fpack.builders.debian.lock.file import LockFile
        from fpack.builders.debian.package_source import DebianSource
        from fpack.cli.ui.progress import IndexProgress

        from .evaluation.log import digest_of

        self._lock_read = digest_of(os.fspath(self.lock_file))
        source = DebianSource(
            LockFile(self.lock_file),
            arch=self.arch,
            cache=cache_directory() / "debian",
            mirrors=self.mirrors,
            http=self.http,
            frozen=self.options.frozen,
            accept_expired=self.options.accept_expired or None,
            max_age=self.options.max_index_age,
            reporter=IndexProgress(),
        )
        if self._project is None and self.options.lock is None and not self.options.frozen:
            source.refresh_if_old(DAY)
        return source

    def read_lock(self) -> Lock:
        """Return the content of the lock. Nothing is fetched or added."""
        from fpack.builders.debian.lock.file import LockFile

        return self.source.lock if "source" in self.__dict__ else LockFile(self.lock_file).lock

    @cached_property
    def mirrors(self) -> Mirrors:
        from fpack.builders.debian.mirrors import find_mirrors

        return find_mirrors(self.options.mirror)

    def http(self) -> Http:
        """Return a client for downloads, which also looks in the places that keep files."""
        from fpack.builders.net.http import Http

        return Http(kept=self.kept, hosts=self._hosts)

    @cached_property
    def _hosts(self) -> HostBackoff:
        from fpack.builders.net.backoff import HostBackoff

        return HostBackoff(note)

    @cached_property
    def kept(self) -> KeptPlaces | None:
        """The places that keep files by digest: of the option, the settings and the project. None: there are none."""
        from .kept.places import kept_places

        return kept_places(self.options.mirror, self._project or self._root)

    @property
    def jobs(self) -> int:
        """The number of parallel builds; 0: one per core."""
        return self.options.jobs or JOBS.find()

    def repository(self, address: str) -> Repository:
        """Return the repository at an address. A registry on this machine may have no TLS."""
        from fpack.builders.distribution.addresses import open_repository

        if address not in self._repositories:
            self._repositories[address] = open_repository(address, plain_http=True)
        return self._repositories[address]

    @cached_property
    def origins(self) -> Origins:
        """The resolver of the URLs in derivations. Relative file URLs are relative to the project."""
        from fpack.builders.net.language_packages.package_registries import PackageRegistries
        from fpack.builders.net.origins import Origins

        return Origins(PackageRegistries(self.mirrors.expand, self.http), self._root or self._project)

    def missing(self, url: str) -> str:
        """Return a hint for a file that no mirror has any more."""
        if not url.startswith("mirror://"):
            return "give another url, or a version that still exists"
        archive, _, path = url.removeprefix("mirror://").partition("/")
        date = self.mirrors.dated(archive, path)
        when = f" (of {time.strftime('%Y-%m-%d', time.gmtime(date))})" if date is not None else ""
        return (
            f"fpack update moves the lock {short(self.lock_file)}{when} to the current versions; "
            "fpack lock --keep MIRROR keeps the files of a lock for good, while they exist"
        )

    def files(self) -> NeedFinder | None:
        """Return the finder of packages of the lock's release. Its index is fetched if the cache has none."""
        from .needs import cached_finder, open_finder
        from .package_lookup import Packages

        try:
            packages = Packages(self)
            return cached_finder(packages) or open_finder(packages)
        except FpackError:
            return None  # a hint must not hide the error that it is for

    @property
    def lock_file(self) -> Path:
        if self.options.lock is not None:
            return self.options.lock
        if self._project is not None:
            return self._project / LOCK_FILE
        from fpack.cli.paths import make_private_directory, state_directory

        make_private_directory(state_directory(), "XDG_STATE_HOME", "your package lock")
        return Path(state_directory(), LOCK_FILE)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator, with the standard library, the curated packages, and this workspace's packages and sources."""
        from fpack.lang import std
        from fpack.lang.evaluator import Evaluator
        from fpack.lang.runtime.limits import Limits
        from fpack.store.files.source import SourceTree

        from .evaluation.lazy_source import LazySource
        from .evaluation.settings import settings

        return Evaluator(
            root=self._root,
            cache=cache_directory() / "modules",
            library=[Path(std.__path__[0]), package_directory()],
            packages=LazySource(self),
            sources=SourceTree(),
            limits=Limits.configured(self.options.eval_memory, self.options.eval_time),
            settings=settings(self),
            messages=lambda kind, text: warn(text) if kind == "warning" else note(f"{kind}: {text}"),
            remembers=self._dependencies,
        )

    def _dependencies(self) -> bytes | None:
        """Return a digest of what evaluation depends on besides the project's files, or None if that can change."""
        from .evaluation.log import digest_of, installation, signature

        installed = installation()
        if not installed or (self._project is None and self.options.lock is None):
            return None  # the user's own lock is refreshed when it is old
        lock = digest_of(os.fspath(self.lock_file))
        if "source" in self.__dict__ and (lock != self._lock_read or self.source.file.changed):
            return None
        from blake3 import blake3

        from .evaluation.settings import codec_of

        codec = sorted(codec_of(self.options.compress).items())
        facts = (
            VERSION,
            [signature(path) for path in installed],
            self.arch,
            machine_arch(),
            self.options.builds,
            codec,
        )
        return blake3(f"{facts}".encode() + lock).digest()

    @cached_property
    def answers(self) -> PackageAnswers:
        """The locked answers of the package indexes of languages."""
        from .plans.package_answers import PackageAnswers

        return PackageAnswers(lambda: self.source, note)

    def realise(self, outputs: Sequence[Output]) -> list[StorePath]:
        """Build outputs, and show progress on stderr. Damaged paths that a builder meets are built again."""
        from .realisation import realise

        return realise(self, outputs)

    def remember(self) -> None:
        """Remember what was evaluated of package sets."""
        if "evaluator" in self.__dict__:
            self.evaluator.remember()

    def finish(self) -> None:
        """Write new entries to the lock, and report them."""
        if "source" not in self.__dict__:
            self.remember()
            return
        self.source.save()
        self.remember()
        added = [f"{package.name} {package.version}" for package in self.source.added]
        if "answers" in self.__dict__ and self.answers.added:
            note(f"locked what was resolved in {short(self.lock_file)}")
        if added:
            first = ", ".join(added[:3])
            more = f" and {len(added) - 3} more" if len(added) > 3 else ""
            note(f"locked {first}{more} in {short(self.lock_file)}")
