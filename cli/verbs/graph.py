"""`fpack graph`: draw the packages of an image, and why each is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared

DOT, SVG, HTML, JSON = "dot", "svg", "html", "json"


@click.command(
    "graph",
    epilog="""\b
Examples:
  fpack graph postgres --html                 ./postgres.graph.html, to search and select in
  fpack graph postgres --svg -o postgres.svg  a drawing
  fpack graph postgres.tar | dot -Tpdf        an image file; Graphviz draws it
  fpack graph debian.trixie.nginx --json""",
)
@click.argument("image", required=False)
@click.option("--html", "form", flag_value=HTML, help="Write a page with the graph, to search and select in.")
@click.option("--svg", "form", flag_value=SVG, help="Write a drawing.")
@click.option("--dot", "form", flag_value=DOT, default=True, help="Write Graphviz's language. This is the default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--output", type=shared.OutputPath(path_type=Path), help="File to write.")
@shared.of_file
@shared.building
def command(image: str | None, platform: str | None, form: str, as_json: bool, output: Path | None, **rest: Any) -> int:
    """Draw the packages of IMAGE as a graph. Each edge shows why: one package loads, starts or depends on another.

    IMAGE is a package, an attribute or an image file. A page is written to a file. Other formats are written to the
    standard output without -o.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.images.subject import open_subject
    from fpack.cli.reports import drawing, writing
    from fpack.cli.reports.subject_data import graph_of, output_name
    from fpack.cli.workspace.workspace import Workspace

    if as_json and output is not None:
        raise UsageError("--json prints the graph; -o writes a file", hint="leave one of them out")
    writing.check(output)
    with Workspace(shared.options(rest)) as workspace:
        subject = open_subject(workspace, image, platform)
        graph = graph_of(subject)
        workspace.finish()
    if as_json:
        shared.print_json(drawing.as_json(graph))
        return 0
    if form == HTML:
        from fpack.cli.reports import image_sections, page

        output = output or output_name(subject, "graph.html")
        writing.check(output)
        first = graph.nodes[0]
        writing.write(page.html(image_sections.graph_page(first.name, first.version, graph)), output)
    elif form == SVG:
        if why := drawing.too_large(graph):
            raise UsageError("The graph is too large for a drawing", why=why, hint="use --dot, or fpack why")
        writing.write(writing.lines(drawing.svg(graph)), output)
    else:
        writing.write(writing.lines(drawing.dot(graph)), output)
    if output is not None:
        print(output)
    return 0
