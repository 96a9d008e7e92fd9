"""Build the syntax tree: one action for each production, named as in grammar.lark."""

from __future__ import annotations

from typing import Any

from fpack.lang.errors import nearest

from .lexer import Token
from .source import Source
from .tree import (
    LEVELS,
    TYPES,
    Assert,
    AssertEntry,
    ComputedField,
    Default,
    Enclosing,
    Field,
    ForClause,
    Function,
    FunctionCall,
    If,
    IfClause,
    InheritedField,
    Interpolation,
    Let,
    ListComprehension,
    ListLiteral,
    Literal,
    Name,
    NamedArgument,
    NestedField,
    Node,
    Operation,
    Param,
    Pattern,
    QuotedField,
    RecordCall,
    RecordComprehension,
    RecordLiteral,
    Selection,
    TypedField,
    Types,
    flat_params,
)

_ALONE = {5: "compare with && between two comparisons", 6: "write a < b && b < c"}
_OTHER_NAMES = {
    "str": "string", "text": "string", "boolean": "bool", "integer": "int", "double": "float", "array": "list",
    "object": "record", "dict": "record", "map": "record", "attrs": "record", "none": "null", "drv": "derivation",
    "lambda": "function", "file": "path", "pkg": "package",
}  # fmt: skip


class TreeBuilder:
    """The actions of the grammar. Each takes the start, the end and the kept values, and returns the value."""

    def __init__(self, source: Source) -> None:
        self.source = source

    # ---- lists

    def empty_entries(self, s: int, e: int) -> Any:
        return []

    empty = empty_entries

    def keep_first(self, s: int, e: int, first: Any) -> Any:
        return first

    def one(self, s: int, e: int, item: Any) -> Any:
        return self.more(s, e, [], item)

    def more(self, s: int, e: int, items: Any, item: Any) -> Any:
        if isinstance(item, NestedField):
            self.nest(items, item)
        else:
            items.append(item)
        return items

    def nest(self, entries: list[Node], entry: Node) -> None:
        """Add `a.b = 1` to the entries of a record: all such fields of `a` make one record."""
        kind = "deep" if any(e.kind == "spread" for e in entries) else "set"
        for i, other in enumerate(entries):
            if other.nested and other.kind == kind and other.name == entry.name:
                inner = other.value
                more = self.more(0, 0, list(inner.entries), entry.value)
                record = RecordLiteral(("rec", inner.start, max(inner.end, entry.end), more))
                entries[i] = NestedField((*other[:4], record, False, True))
                return
        record = RecordLiteral(("rec", entry.value.start, entry.end, self.more(0, 0, [], entry.value)))
        entries.append(NestedField((kind, *entry[1:4], record, False, True)))

    more_lines = adjoin = more

    def adjoin_expression(self, s: int, e: int, parts: Any, node: Any) -> Any:
        parts.append(node)
        return parts

    # ---- fields

    def field(self, s: int, e: int, name: Token, value: Node) -> Node:
        if value.kind == "fn" and not value.name:
            value = Function((*value[:3], name[1], *value[4:]))
        return Field(("set", name[2], name[3], name[1], value))

    def nested_field(self, s: int, e: int, name: Token, keys: list[Node], value: Node) -> Node:
        """Return a field with its inner fields around each other; `nest` makes records of them."""
        last = keys[-1]
        if last.kind == "str":
            inner: Node = QuotedField(("set", last.start, last.end, last.value, value, True))
        else:
            inner = self.field(s, e, ("NAME", last.name, last.start, last.end), value)
        for key in [*keys[-2::-1], Name(("var", name[2], name[3], name[1]))]:
            if key.kind == "str":
                record = RecordLiteral(("rec", inner.start, e, self.more(s, e, [], inner)))
                inner = QuotedField(("set", key.start, key.end, key.value, record, True))
            else:
                inner = NestedField(("set", key.start, e, key.name, inner, False, True))
        return inner

    def name_key(self, s: int, e: int, name: Token) -> Node:
        return Name(("var", s, e, name[1]))

    def function_field(self, s: int, e: int, name: Token, args: list[Node], body: Node) -> Node:
        return Field(("set", name[2], name[3], name[1], Function(("fn", s, e, name[1], self.params(args), body))))

    def quoted_field(self, s: int, e: int, key: Node, value: Node) -> Node:
        if key.kind == "str":
            return QuotedField(("set", key.start, key.end, key.value, value, True))
        return ComputedField(("dyn", key.start, key.end, key, value))

    def computed_field(self, s: int, e: int, key: Node, value: Node) -> Node:
        return ComputedField(("dyn", key.start, key.end, key, value))

    def inherit(self, s: int, e: int, name: Token) -> Node:
        return InheritedField(("inherit", s, e, name[1]))

    def typed(self, s: int, e: int, name: Token, types: Types, default: Node | None = None) -> Node:
        return TypedField(("typed", s, e, name, types, default))

    def spread(self, s: int, e: int, node: Node) -> Node:
        return Enclosing(("spread", s, e, node))

    def assertion(self, s: int, e: int, condition: Node, message: Node) -> Node:
        return AssertEntry(("assertion", s, e, condition, message))

    # ---- expressions

    def operation(self, s: int, e: int, chain: list[Any]) -> Node:
        if len(chain) == 1:
            node: Node = chain[0]
            return node
        return self.climb(chain)

    def operation_tail(self, s: int, e: int, chain: list[Any], op: Token, last: Node) -> Node:
        return self.climb([*chain, op[1], last])

    def minus_tail(self, s: int, e: int, chain: list[Any], last: Node) -> Node:
        return self.climb([*chain, "-", last])

    def or_tail(self, s: int, e: int, chain: list[Any], last: Node) -> Node:
        return self.climb([*chain, "or", last])

    def chain_more(self, s: int, e: int, chain: list[Any], op: Token, operand: Node) -> list[Any]:
        chain += (op[1], operand)
        return chain

    def chain_minus(self, s: int, e: int, chain: list[Any], operand: Node) -> list[Any]:
        chain += ("-", operand)
        return chain

    def chain_or(self, s: int, e: int, chain: list[Any], operand: Node) -> list[Any]:
        chain += ("or", operand)
        return chain

    def climb(self, chain: list[Any]) -> Node:
        """Turn a flat chain of operands and operators into nested operations, by precedence, left-associative."""
        operands: list[Node] = [chain[0]]
        operators: list[str] = []

        def fold() -> None:
            right, left, op = operands.pop(), operands.pop(), operators.pop()
            operands.append(self.binary(op, left, right))

        for i in range(1, len(chain), 2):
            op, level = chain[i], LEVELS[chain[i]]
            while operators and LEVELS[operators[-1]] >= level:
                if LEVELS[operators[-1]] == level and level in _ALONE:
                    start, end = operands[-1].start, chain[i + 1].end
                    raise self.source.error(start, end, "Comparisons do not chain", hint=_ALONE[level])
                if op == operators[-1] == "or":
                    break  # `a.x or b.y or c` reads from the right
                fold()
            operators.append(op)
            operands.append(chain[i + 1])
        while operators:
            fold()
        node: Node = operands[0]
        return node

    def binary(self, op: str, left: Node, right: Node) -> Node:
        """Return the node of an operation."""
        s, e = left.start, right.end
        if op == "or":
            if left.kind != "sel":
                hint = "put `RECORD.FIELD or DEFAULT` in parentheses; `||` joins conditions"
                what = "`or` gives a default for a field, and this is not a field"
                raise self.source.error(left.start, left.end, what, hint=hint)
            return Default(("or", s, e, left, right))
        if op == "|>":
            if right.kind == "call":
                return FunctionCall(("call", s, e, right.callee, [left, *right.args]))
            return FunctionCall(("call", s, e, right, [left]))
        return Operation(("bin", s, e, op, left, right))

    def not_(self, s: int, e: int, node: Node) -> Node:
        return Enclosing(("not", s, e, node))

    def negative(self, s: int, e: int, node: Node) -> Node:
        if node.kind in ("int", "float"):
            return Literal((node.kind, s, e, -node.value))
        return Enclosing(("neg", s, e, node))

    def lambda_name(self, s: int, e: int, name: Token, body: Node) -> Node:
        return Function(("fn", s, e, "", [Param(("param", name[2], name[3], name[1], None, None))], body))

    def lambda_group(self, s: int, e: int, args: list[Node], body: Node) -> Node:
        return Function(("fn", s, e, "", self.params(args), body))

    def let(self, s: int, e: int, entries: list[Node], body: Node) -> Node:
        """Return the node of a `let`; raise EvalError for an entry that is no binding."""
        for entry in entries:
            if entry.kind != "set" or entry.quoted:
                hint = (
                    "assert CONDITION, MESSAGE in EXPRESSION"
                    if entry.kind == "assertion"
                    else "let NAME = VALUE in EXPRESSION"
                )
                raise self.source.error(entry.start, entry.end, "`let` takes NAME = VALUE only", hint=hint)
        return Let(("let", s, e, entries, body))

    def if_else(self, s: int, e: int, condition: Node, then: Node, otherwise: Node) -> Node:
        return If(("if", s, e, condition, then, otherwise))

    def assert_in(self, s: int, e: int, condition: Node, message: Node, body: Node) -> Node:
        return Assert(("assert", s, e, condition, message, body))

    def select(self, s: int, e: int, node: Node, name: Token) -> Node:
        return Selection(("sel", s, e, node, name[1], name[2], name[3]))

    def select_string(self, s: int, e: int, node: Node, key: Node) -> Node:
        return Selection(("sel", s, e, node, key.value if key.kind == "str" else key, key.start, key.end))

    def select_computed(self, s: int, e: int, node: Node, key: Node) -> Node:
        return Selection(("sel", s, e, node, key, key.start, key.end))

    def call(self, s: int, e: int, callee: Node, args: list[Node]) -> Node:
        """Return the node of a call; raise EvalError for arguments in a wrong order or form."""
        named: set[str] = set()
        for arg in args:
            if arg.kind == "typed":
                raise self.source.error(arg.start, arg.end, "Write a named argument as `name = value`")
            if arg.kind == "named":
                if arg.name in named:
                    raise self.source.error(arg.start, arg.end, f"The argument `{arg.name}` is given twice")
                named.add(arg.name)
            elif named and arg.kind != "spread":
                raise self.source.error(arg.start, arg.end, "A positional argument follows a named argument")
        return FunctionCall(("call", s, e, callee, args))

    def record_call(self, s: int, e: int, callee: Node, body: Any) -> Node:
        start = callee.end
        while self.source.text[start] != "{":
            start += 1
        return RecordCall(("rcall", s, e, callee, self.record(start, e, body)))

    def record(self, s: int, e: int, body: Any) -> Node:
        if body.__class__ is tuple:
            return RecordComprehension(("reccomp", s, e, *body))
        return RecordLiteral(("rec", s, e, body))

    def record_comprehension(self, s: int, e: int, entry: Node, clauses: list[Node]) -> tuple[Node, Node, list[Node]]:
        """Return the key, the value and the clauses; raise EvalError if the key is not computed."""
        self.clauses(clauses)
        if entry.kind != "dyn":
            hint = "write { ${x} = VALUE for x in LIST }"
            raise self.source.error(
                entry.start, entry.end, "A record comprehension needs a computed field name", hint=hint
            )
        return entry.key, entry.value, clauses

    def list_(self, s: int, e: int, items: list[Node]) -> Node:
        """Return the node of a list; raise EvalError for an element in the form of an argument."""
        for item in items:
            if item.kind == "named":
                hint = "write records in braces; compare with =="
                raise self.source.error(item.start, item.end, "Elements of a list have no names", hint=hint)
            if item.kind == "typed":
                raise self.source.error(item.start, item.end, "Elements of a list have no names")
        return ListLiteral(("list", s, e, items))

    def list_comprehension(self, s: int, e: int, node: Node, clauses: list[Node]) -> Node:
        return ListComprehension(("listcomp", s, e, node, self.clauses(clauses)))

    def clauses(self, clauses: list[Node]) -> list[Node]:
        if clauses[0].kind != "for":
            raise self.source.error(clauses[0].start, clauses[0].end, "A comprehension must begin with `for`")
        return clauses

    def for_(self, s: int, e: int, name: Token, node: Node) -> Node:
        return ForClause(("for", s, e, [name[1]], node))

    def for_pairs(self, s: int, e: int, name: Token, value: Token, node: Node) -> Node:
        return ForClause(("for", s, e, [name[1], value[1]], node))

    def if_clause(self, s: int, e: int, node: Node) -> Node:
        return IfClause(("if", s, e, node))

    def parenthesised(self, s: int, e: int, args: list[Node]) -> Node:
        if len(args) != 1 or args[0].kind in ("named", "spread", "typed"):
            hint = "write lists in [ ], records in { }, and functions as (a, b) => EXPRESSION"
            raise self.source.error(s, e, "Parentheses must contain exactly one expression", hint=hint)
        node = args[0]
        return Enclosing(("paren", s, e, node)) if node.kind in ("call", "sel") else node.spanning(s, e)

    # ---- atoms

    def name(self, s: int, e: int, token: Token) -> Node:
        return Name(("var", s, e, token[1]))

    def int_(self, s: int, e: int, token: Token) -> Node:
        return Literal(("int", s, e, token[1]))

    def float_(self, s: int, e: int, token: Token) -> Node:
        return Literal(("float", s, e, token[1]))

    def constant(self, s: int, e: int, token: Token) -> Node:
        return Literal(("const", s, e, {"TRUE": True, "FALSE": False, "NULL": None}[token[0]]))

    def path(self, s: int, e: int, token: Token) -> Node:
        return Literal(("path", s, e, token[1]))

    def plain_string(self, s: int, e: int, token: Token) -> Node:
        return Literal(("str", s, e, token[1]))

    def string(self, s: int, e: int, parts: list[Any]) -> Node:
        return Interpolation(("interp", s, e, [p[1] if p[0] == "CHUNK" else p for p in parts]))

    # ---- parameters

    def named(self, s: int, e: int, name: Token, node: Node) -> Node:
        return NamedArgument(("named", s, name[3], name[1], node))

    def type_name(self, s: int, e: int, token: Token) -> Types:
        """Return a type as the tuple of its name; raise EvalError for an unknown name."""
        name = str(token[1])
        if name not in TYPES:
            other = _OTHER_NAMES.get(name.lower()) or nearest(name, TYPES)
            hint = f"did you mean `{other}`? The types are " if other else "the types are "
            raise self.source.error(s, e, f"`{name}` is not a type", hint=hint + ", ".join(TYPES) + ", and [TYPE]")
        return (name,)

    def type_or(self, s: int, e: int, types: Types, more: Types) -> Types:
        return types + more

    def type_list(self, s: int, e: int, types: Types) -> Types:
        return (types,)

    def params(self, args: list[Node]) -> list[Node]:
        """Return the parameters of a function, converted from the arguments that the grammar reads."""
        found = [self.pattern(arg) if arg.kind == "rec" else self.param(arg) for arg in args]
        self.distinct(flat_params(found))
        optional: Node | None = None
        for p in found:
            if p.kind == "param" and p.default is not None:
                optional = p
            elif optional is not None:
                what = "A parameter without a default follows one with a default"
                other = (optional.start, optional.end, "this parameter has a default")
                raise self.source.error(p.start, p.end, what, other=other)
        return found

    def param(self, arg: Node) -> Node:
        """Return the parameter that an expression in parentheses turned out to be."""
        if arg.kind == "var" or arg.kind == "inherit":
            return Param(("param", arg.start, arg.end, arg.name, None, None))
        if arg.kind == "named" or arg.kind == "set":
            return Param(("param", arg.start, arg.end, arg.name, None, arg.value))
        if arg.kind == "typed":
            return Param(("param", arg.start, arg.end, arg.token[1], arg.types, arg.default))
        hint = "parameters are names, with `= default` and `: type`, or a record pattern { a, b = 1 }"
        raise self.source.error(arg.start, arg.end, "This cannot be a parameter", hint=hint)

    def pattern(self, record: Node) -> Node:
        """Return the pattern that a record literal turned out to be."""
        params: list[Node] = []
        rest = None
        for entry in record.entries:
            if entry.kind == "spread" and entry.inner.kind == "var" and entry is record.entries[-1]:
                rest = entry.inner.name
                for p in params:
                    if p.name == rest:
                        hint = f"give the record of the other fields another name than the field `{rest}`"
                        other = (p.start, p.end, "first defined here")
                        what = f"Two parameters are named `{rest}`"
                        raise self.source.error(entry.start, entry.end, what, hint=hint, other=other)
            elif entry.nested:
                raise self.source.error(entry.start, entry.end, "A field of a pattern is one name")
            elif entry.quoted:
                raise self.source.error(entry.start, entry.end, "A field of a pattern needs an unquoted name")
            else:
                params.append(self.param(entry))
        return Pattern(("pattern", record.start, record.end, params, rest))

    def distinct(self, params: list[Node]) -> None:
        """Raise EvalError if two parameters have one name."""
        seen: dict[str, Node] = {}
        for p in params:
            if p.name in seen:
                other = (seen[p.name].start, seen[p.name].end, "first defined here")
                raise self.source.error(p.start, p.end, f"Two parameters are named `{p.name}`", other=other)
            seen[p.name] = p
