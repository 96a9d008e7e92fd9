"""Open vulnerability data for a verb whose answer can do without. If there is none, nothing is read or imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError
from fpack.store.settings import VULNERABILITIES

if TYPE_CHECKING:
    from .audits import Auditor


def optional_auditor(data: Sequence[str], documents: Sequence[Path], offline: bool) -> Auditor | None:
    """Open the data and the VEX documents of options. Return None if no data is named, also in the settings.

    Data of the settings that cannot be had is told on stderr: vulnerabilities are a part of the answer only.
    """
    if not data and not documents and not VULNERABILITIES.look_up().value:
        return None
    from .audits import auditor

    try:
        return auditor(data, documents, offline)
    except FpackError as error:
        if data or documents:
            raise
        from fpack.cli.ui.render import warn

        about = f"{error.where}: {error.why}" if error.why else error.where
        warn(f"vulnerabilities are not told: {error.what} ({about})")
        return None
