"""Answer requests to the package indexes of languages from the lock; ask an index once, and record what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.debian.package_source import DebianSource

Item = dict[str, Any]


class PackageAnswers:
    """The answers of a lock.

    used: keys of those that this process asked for. moves: take over what older versions recorded in other files.
    moved: the paths of these.
    """

    def __init__(self, source: Callable[[], DebianSource], say: Callable[[str], None]) -> None:
        self._source = source
        self._say = say
        self.used: set[tuple[str, str]] = set()
        self.added = 0
        self.moves = False
        self.moved: set[str] = set()

    def answer(
        self,
        kind: str,
        requests: Sequence[Mapping[str, Any]],
        ask: Callable[[list[int]], Sequence[Sequence[Mapping[str, Any]]]],
        what: str,
    ) -> list[list[Item]]:
        """Return the items of each request. ask: returns the answers of the requests at these positions.

        what: what is asked for, in messages. Raise Frozen if the lock lacks an answer and must not change.
        """
        import json

        from fpack.builders.debian.lock.text import canonical_json

        source = self._source()
        keys = [(kind, canonical_json(dict(request))) for request in requests]
        self.used.update(keys)
        missing = [i for i, key in enumerate(keys) if key not in source.lock.answers]
        missing = list({keys[i]: i for i in missing}.values())
        if missing:
            if source.frozen:
                from fpack.builders.debian.package_source import Frozen

                raise Frozen(
                    f"The lock is frozen and does not have {what}",
                    where=str(source.file.path),
                    hint="run once without --frozen and keep the updated lock",
                )
            self._say(f"resolving {what}")
            for i, items in zip(missing, ask(missing), strict=True):
                source.lock.answers[keys[i]] = tuple(canonical_json(dict(item)) for item in items)
            self.added += len(missing)
        return [[json.loads(item) for item in source.lock.answers[key]] for key in keys]

    def locked(self, kind: str, request: Mapping[str, Any]) -> list[Item] | None:
        """Return the items of a request, or None if the lock has no answer to it."""
        import json

        from fpack.builders.debian.lock.text import canonical_json

        key = (kind, canonical_json(dict(request)))
        items = self._source().lock.answers.get(key)
        if items is None:
            return None
        self.used.add(key)
        return [json.loads(item) for item in items]

    def record(self, kind: str, request: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> None:
        """Record the answer to a request that is known already."""
        from fpack.builders.debian.lock.text import canonical_json

        key = (kind, canonical_json(dict(request)))
        self.used.add(key)
        self._source().lock.answers[key] = tuple(canonical_json(dict(item)) for item in items)
        self.added += 1

    def takes_from(self, path: str) -> bool:
        """Return whether the answers in another file move into the lock, which must be beside or above it."""
        import os

        above = os.path.realpath(os.path.dirname(self._source().file.path))
        if not self.moves or not os.path.realpath(path).startswith(f"{above.rstrip('/')}/"):
            return False
        self.moved.add(path)
        return True

    def renew(self, resolvers: Mapping[str, Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]]) -> int:
        """Ask again for every answer of these kinds. Return how many changed; on failure the lock is unchanged."""
        import json

        from fpack.builders.debian.lock.text import canonical_json

        answers = self._source().lock.answers
        found = {}
        for (kind, request), items in answers.items():
            if kind in resolvers:
                self._say(f"resolving {kind} packages")
                new = tuple(canonical_json(dict(item)) for item in resolvers[kind](json.loads(request)))
                if new != items:
                    found[kind, request] = new
        answers.update(found)
        return len(found)

    def former(self, kind: str, matching: Mapping[str, Any]) -> list[Item]:
        """Return the items of all answers of a kind to requests with these fields."""
        import json

        found: list[Item] = []
        for (of, request), items in self._source().lock.answers.items():
            if of == kind:
                fields = json.loads(request)
                if all(fields.get(name) == value for name, value in matching.items()):
                    found += map(json.loads, items)
        return found


def text_field(item: Mapping[str, Any], name: str) -> str:
    """Return a text of an item of the lock; raise FpackError if it has another type."""
    value = item.get(name, "")
    if not isinstance(value, str):
        raise damaged(f"`{name}` is not text")
    return value


def damaged(why: str) -> FpackError:
    """Return the error for an answer of the lock that cannot be used."""
    return FpackError("The lock has a damaged answer", why=why, hint="fpack update makes it again")
