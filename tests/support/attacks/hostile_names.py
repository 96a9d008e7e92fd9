"""Names that try to become markup, to hide, or to grow without end; and an image whose files and settings have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fpack.builders.manifest.format import Head
from support.images.forge import Forgery
from support.images.tamper import node

MARK = "PWNED"  # what an attack would leave
ATTACKS = (
    f"</script><script>document.title='{MARK}'</script>",
    f"<img src=x onerror=document.title='{MARK}'>",
    f"\"><svg onload=document.title='{MARK}'>",
    f"'-(document.title='{MARK}')-'",
    f"<!--<script>document.title='{MARK}'",
    f"]]><script>document.title='{MARK}'</script>",
    f"javascript:document.title='{MARK}'",
    f"{{{{constructor.constructor('document.title=\"{MARK}\"')()}}}}",
    f"</style><style>@import 'http://127.0.0.1:9/{MARK}'</style>",
    f"</title><script>document.title='{MARK}'</script>",
    f"&lt;script&gt;document.title='{MARK}'&lt;/script&gt;",
    "__proto__",
    "constructor",
    "control\x1b[31m\x07\x01\x7f\x85",
    "line\u2028\u2029break",
    "override\u202egnp.exe",
    "isolate\u2066\u2069mark\u200f\u200e\ufeff\u200b",
    "\u05d0\u05d1\u05d2 \u0627\u0644",
    "stacked" + "\u0301" * 400,
    "\U0001f600" * 3,
    "very-long-" + "n" * 4000,
)
# A file's name has at most 255 bytes, no NUL and no slash.
FILE_NAMES = tuple(text.replace("/", "\u2215")[:60] for text in ATTACKS)
NOT_UTF8 = b"not-utf-8-\xff\xfe\x80"


def hostile_image(packed: Path, out: Path) -> Path:
    """Return an image with these names: of files, links, settings, packages, versions, reasons and of itself."""
    forgery = Forgery(packed)
    for number, name in enumerate(FILE_NAMES):
        forgery.put("files", node(f"srv/{name}", b"x" * (1000 + number)))
        forgery.put("files", node(f"srv/link{number}", kind=b"2", target=ATTACKS[number].encode()[:4000]))
    forgery.put("files", node("srv/" + "/".join(["d" * 250] * 15), b"deep"))
    bad = node("srv/x", b"bytes")._replace(path=b"srv/" + NOT_UTF8)
    forgery.put("files", bad)
    config = forgery.image.config["config"]
    config["Env"] = [f"V{number}={text}" for number, text in enumerate(ATTACKS)]
    config["Labels"] = {text: text for text in ATTACKS}
    config["Cmd"] = list(ATTACKS)
    return forgery.save(out, _hostile)


def _hostile(head: Head) -> Head:
    """Return the head with such names in every text that a manifest can have anything in."""
    paths = []
    for number, item in enumerate(head.paths):
        if item.package and item.reason is not None:
            reason = item.reason._replace(file=ATTACKS[number % len(ATTACKS)], what=ATTACKS[-1 - number % len(ATTACKS)])
            item = item._replace(version=ATTACKS[number % len(ATTACKS)], reason=reason)
        paths.append(item)
    pins = tuple(
        pin._replace(source=ATTACKS[0], source_version=ATTACKS[1], file=ATTACKS[2]) for pin in head.lock.packages
    )
    sources = tuple(item._replace(name=ATTACKS[0], urls=ATTACKS[:3]) for item in head.sources)
    return head._replace(
        image=head.image._replace(name=ATTACKS[0], tag=ATTACKS[1]),
        paths=tuple(paths),
        lock=head.lock._replace(packages=pins),
        sources=sources,
        fpack=ATTACKS[0],
    )


def texts(value: Any) -> list[str]:
    """Return the texts in data for JSON."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list | tuple) else []
