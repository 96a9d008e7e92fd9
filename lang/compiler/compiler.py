"""Compile a syntax tree to a Python syntax tree, with thunks only where lazy evaluation needs them."""

from __future__ import annotations

import _ast as a
from collections.abc import Mapping
from typing import NamedTuple

from fpack.lang.abi import FunctionInfo
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import LITERALS, Node, mark_outer_calls

from . import call_sites
from . import python_ast as py
from .bindings import Bindings
from .calls import Calls
from .emitter import Emitter, Free
from .expressions import Expressions
from .functions import Functions
from .hidden_names import explicit_names
from .loops import Loops
from .operators import Operators
from .python_ast import Block
from .record_calls import RecordCalls
from .record_literals import RecordLiterals
from .records import Records
from .scope import Scope
from .shared_code import Expansion, shaped_values
from .wide_lets import replace


class CompiledModule(NamedTuple):
    """A compiled module: the Python tree, and the free names, which the module expects as globals.

    free: the offsets of the first use of each free name. infos: facts about functions of the tree, by the name of the
    function or of its parameter. The names are unique in the tree.
    """

    tree: a.Module
    free: Free
    infos: dict[str, FunctionInfo]


def compile_tree(
    source: Source,
    tree: list[Node] | Node,
    builtins: Mapping[str, str],
    fields_given: bool = False,
    expansion: Expansion | None = None,
) -> CompiledModule:
    """Compile what the parser returns: the entries of a file, or an expression.

    fields_given: the module can be run with other values for fields of the file, which takes a little longer.
    expansion: a value that is compiled by itself, though it could share code with others.
    """
    if isinstance(tree, list):
        return compile_file(source, tree, builtins, fields_given, expansion)
    return compile_expression(source, tree, builtins)


def compile_file(
    source: Source,
    entries: list[Node],
    builtins: Mapping[str, str],
    fields_given: bool = False,
    expansion: Expansion | None = None,
) -> CompiledModule:
    """Compile a file to a module that sets `.value` to the record of the file's fields.

    `.value` is a tuple of parts if the file spreads a record that can be changed. `.claims` checks the assertions.
    """
    emitter, records = _compiler(source, builtins, fields_given)
    block: Block = []
    tree = explicit_names(source, mark_outer_calls(entries))
    assert isinstance(tree, list)
    if not source.library:
        emitter.shaped, emitter.expansion = shaped_values(tree, len(source.text)), expansion
    records.file(tree, block)
    if emitter.frames:
        replace(block, emitter.frames)
    if source.library:
        call_sites.share(block)
    return CompiledModule(a.Module(block, []), emitter.free, emitter.infos)


def compile_expression(source: Source, node: Node, builtins: Mapping[str, str]) -> CompiledModule:
    """Compile an expression to a module that sets `.value` to a function without arguments that returns the value."""
    emitter, _ = _compiler(source, builtins)
    emitter.level = 1
    body: Block = []
    tree = explicit_names(source, node)
    assert isinstance(tree, Node)
    emitter.tail(tree, Scope(None), body)
    block: Block = [py.define(".value", [], body, emitter.at(node))]
    if emitter.frames:
        replace(block, emitter.frames)
    return CompiledModule(a.Module(block, []), emitter.free, emitter.infos)


def _compiler(source: Source, builtins: Mapping[str, str], fields_given: bool = False) -> tuple[Emitter, Records]:
    """Return an emitter with a handler for each kind of node, and the compiler of files."""
    emitter = Emitter(source, builtins, fields_given)
    expressions, operators = Expressions(emitter), Operators(emitter)
    functions, literals = Functions(emitter), RecordLiterals(emitter)
    loops = Loops(emitter, functions)
    bindings, calls = Bindings(emitter, functions, literals), Calls(emitter, loops)
    loops.bind = bindings.bind
    records, record_calls = Records(emitter, bindings, literals, calls), RecordCalls(emitter, calls, bindings, literals)
    emitter.strict_handlers = {
        **dict.fromkeys(LITERALS, expressions.literal),
        "path": expressions.path,
        "paren": expressions.parentheses,
        "var": expressions.name,
        "interp": expressions.interpolation,
        "list": expressions.list_literal,
        "sel": expressions.selection,
        "or": expressions.default,
        "not": expressions.negation,
        "if": expressions.choice,
        "assert": emitter.call_of_tail,
        "let": emitter.call_of_tail,
        "neg": operators.minus,
        "bin": operators.operation,
        "rec": records.record,
        "fn": functions.function,
        "call": calls.call,
        "rcall": record_calls.record_call,
        "listcomp": loops.list_comprehension,
        "reccomp": loops.record_comprehension,
    }
    emitter.tail_handlers = {
        "if": expressions.tail_choice,
        "assert": expressions.tail_assert,
        "let": record_calls.tail_let,
        "rcall": record_calls.tail_record_call,
    }
    return emitter, records
