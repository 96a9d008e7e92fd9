"""Judge by the recorded times whether this machine's clock may be wrong, so that a wrong clock deletes nothing.

A clock that is behind must not make new paths look old when it is right again. So recorded times do not go back. A
clock that is far ahead must not make all paths look old. So a span of over a year without a record is not part of an
age: either the store was not used, or the clock was wrong before or after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

from fpack.store import DAY

YEAR = 365 * DAY
_FIRST = 1767225600  # 1 January 2026: fpack did not exist before


def recordable(now: float, latest: float) -> int:
    """Return the time to record at `now`. latest: the latest recorded time.

    If a plausible clock is over a year behind `latest`, the clock was wrong at that time.
    """
    return int(max(now, latest) if now < _FIRST or latest - now <= YEAR else now)


class Timeline:
    """The time `now`, and the spans before it that are not part of an age.

    times: recorded times. trusted: the clock was right all the time, so there are no such spans. doubt: why the clock
    may be wrong, or "".
    """

    def __init__(self, now: float, times: Iterable[float] = (), *, trusted: bool = False) -> None:
        self.now = now
        self.doubt = ""
        self._gaps: list[tuple[int, int]] = []
        if trusted:
            return
        days = sorted({int(at // DAY) for at in (*times, now)})
        past = days[: days.index(int(now // DAY)) + 1]
        self._gaps = [(before * DAY, after * DAY) for before, after in pairwise(past) if after - before > YEAR // DAY]
        if days[-1] * DAY > now + DAY:
            self.doubt = f"this machine's clock is at {_date(now)}, but the store was used on {_date(days[-1] * DAY)}"
        elif self._gaps:
            before, after = self._gaps[-1]
            self.doubt = f"the store has no records from {_date(before)} to {_date(after)}"

    def age(self, at: float) -> float:
        """Return the seconds from `at` to now. The result is negative if `at` is still to come."""
        return self.now - at - sum(after - before for before, after in self._gaps if at < after)


def _date(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:g} seconds after 1970"
