"""Check SPDX 3.0.1 documents with the SHACL shapes of SPDX's model.

The model and the context are `spdx-model.ttl` and `spdx-context.jsonld` of the specification, as files: nothing is
fetched. Needs pyshacl from PyPI.

    bench/shacl.py --model spdx-model.ttl --context spdx-context.jsonld postgres.spdx-3.0.1.json...
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Print a line for each document. Return 1 if one does not conform."""
    import pyshacl
    import rdflib

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--context", type=Path, required=True)
    parser.add_argument("documents", type=Path, nargs="+")
    args = parser.parse_args()
    context = json.loads(args.context.read_text())["@context"]
    shapes = rdflib.Graph().parse(args.model, format="turtle")
    good = True
    for path in args.documents:
        start = time.process_time()
        document: dict[str, Any] = json.loads(path.read_text())
        data = rdflib.Graph().parse(data=json.dumps({**document, "@context": context}), format="json-ld")
        conforms, _graph, text = pyshacl.validate(data, shacl_graph=shapes, ont_graph=shapes, inference="none")
        good &= conforms
        verdict = "conforms" if conforms else f"does not conform\n{text}"
        print(f"{path.name}: {len(data)} triples, {time.process_time() - start:.1f} s: {verdict}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
