"""The short way to a derivation's encoding gives the very bytes of the long one."""

from __future__ import annotations

from fpack.lang.runtime.derivations import Deriver
from fpack.store import base32, canonical
from fpack.store import derivation as drv
from fpack.store.path import HASH_BYTES
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text("abc-_ é\U0001f600", min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(NAMES.filter(lambda n: n not in ("kind", "name")), VALUES, max_size=6))
def test_derive_encodes_as_the_store_does(args: dict[str, object]) -> None:
    deriver = Deriver(None)
    made = deriver.derive({"kind": "text", "name": "x", "args": args})
    body = drv.Derivation("text", "x", args).encode()
    assert list(deriver.derivations.values()) == [body]
    assert made["out"] == str(drv.placeholder(drv.digest(body), "x"))
    # and as the formats define them, each step by itself
    assert canonical.decode(body)["args"] == args


def test_inputs_and_outputs() -> None:
    deriver = Deriver(None)
    first = deriver.derive({"kind": "text", "name": "a", "outputs": ["out", "dev"]})
    second = deriver.derive({"kind": "text", "name": "b", "z": f"{first['dev']}/x {first['out']}", "a": [first]})
    digest = deriver.output(first).output.derivation
    wanted = drv.Derivation(
        "text",
        "b",
        {"z": f"{first['dev']}/x {first['out']}", "a": [first["out"]]},
        (drv.Output(digest, "out"), drv.Output(digest, "dev")),
    ).encode()
    assert deriver.derivations[deriver.output(second).output.derivation] == wanted


@given(st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES), NAMES)
def test_placeholder(digest: bytes, output: str) -> None:
    from blake3 import blake3

    body = canonical.encode(["fpack placeholder 1", digest, output])
    assert drv.placeholder_hash(digest, output) == base32.encode(blake3(body).digest(HASH_BYTES))


@given(st.lists(st.binary(min_size=5, max_size=5)).map(b"".join))
def test_base32(data: bytes) -> None:
    bits = "".join(f"{byte:08b}" for byte in data)
    assert base32.encode(data) == "".join(base32.ALPHABET[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5))
