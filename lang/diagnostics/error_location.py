"""Locate an error in the user's text: find the expression at fault, and the calls that led to it, from a traceback.

Generated code carries source positions (compiler/python_ast.py), which cost nothing until an error is reported. Files
of the library are skipped: the location is the innermost expression in the user's own files.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from fpack.lang.builtins.table import STRICT
from fpack.lang.errors import EvalError, Fault, did_you_mean, quote
from fpack.lang.runtime.argument_checks import ArgumentError
from fpack.lang.runtime.field_errors import no_field, not_a_record
from fpack.lang.runtime.limits import Exhausted
from fpack.lang.runtime.values import PYTHON_NAMES, CycleError, force, with_article
from fpack.lang.spans import Call, Other, Span
from fpack.store.errors import FpackError

from .frames import (
    CallStep,
    TracebackStep,
    field_span,
    first_definition,
    given_argument,
    kept_call,
    line_of,
    own_steps,
    path_literal,
    shown_name,
)


def locate(error: BaseException, cache: str | Path | None) -> BaseException:
    """Return the error to raise instead of `error`: with a position if the user caused it, else `error` itself."""
    steps = _steps(_frames(error.__traceback__))
    if isinstance(error, EvalError):
        return error if error.calls else error.with_(calls=_calls(steps))
    if not steps:
        return error
    fault = _fault(error, steps)
    if fault is None:
        return error
    if isinstance(error, (Exhausted, RecursionError)):
        own = [s for s in steps if not s.source.library]
    else:
        own = own_steps(steps)
    if isinstance(error, Exhausted):
        own = _without_entered(own)
    step = own[-1] if own else steps[-1]
    argument: Span | None = None
    others: tuple[Other, ...] = ()
    callee: FrameType | None = None
    if isinstance(error, TypeError):
        others = _definition(str(error), step)
    if isinstance(fault, ArgumentError):
        fault, argument = _argument(fault, error.__traceback__, step, cache)
        argument = None if isinstance(step, CallStep) else argument
    if isinstance(error, RecursionError):
        own = _until_endless(own)
        step = own[-1]
    elif isinstance(fault, Fault) and fault.caller and len(own) > 1 and step is steps[-1]:
        callee = step.frame
        others += (Other(step.span(), "declared here"),)
        step = own[-2]
        own.pop()
    elif isinstance(fault, Fault) and fault.caller and len(steps) > 1 and step is steps[-2]:
        callee = steps[-1].frame
    span = argument or step.span()
    if isinstance(fault, Fault) and fault.field is not None:
        span = field_span(step, fault, callee, cache) or span
    elif isinstance(fault, Fault) and fault.file is not None:
        span = path_literal(step, fault.file, cache) or span
    elif isinstance(fault, Fault) and fault.twin is not None:
        others += first_definition(step, fault.twin, cache)
    calls = _calls([s for s in own if s is not step])
    while calls and calls[-1].span[:2] == span[:2]:
        calls = calls[:-1]  # that line is shown already
    why = (
        fault.why
        if isinstance(fault, Fault)
        else " ".join(p for p in (fault.where and f"({fault.where})", fault.why) if p)
    )
    call = kept_call(steps)
    if call is not None and call.call:
        why = "\n".join(line for line in (why, f"in {call.call}") if line)
    found = EvalError(fault.what, span=span, why=why, hint=fault.hint, others=others, calls=calls)
    return found.with_(exit_code=fault.exit_code)


def _without_entered(steps: list[TracebackStep]) -> list[TracebackStep]:
    """Drop the last steps that have evaluated nothing yet: the position is that of their call."""
    while len(steps) > 1 and steps[-1].entered:
        steps = steps[:-1]
    return steps


def at_frame(fault: Fault, frame: FrameType | None) -> FpackError:
    """Return the error for a fault in a frame, at the innermost position in the user's own files if there is one."""
    frames = []
    while frame is not None:
        frames.append((frame, frame.f_lasti))
        frame = frame.f_back
    steps = _steps(frames[::-1])
    own = [step for step in steps if not step.source.library] or steps
    if not own:
        return fault
    own = _without_entered(own)
    return EvalError(fault.what, span=own[-1].span(), why=fault.why, hint=fault.hint, calls=_calls(own[:-1]))


def _argument(
    fault: ArgumentError, tb: TracebackType | None, step: TracebackStep, cache: str | Path | None
) -> tuple[Fault, Span | None]:
    """Return the fault with the name of the builtin that raised it, and the span of the argument at fault."""
    frames = [frame for frame, _ in _frames(tb)]
    last = max(i for i, frame in enumerate(frames) if ".source" in frame.f_globals)
    caller = frames[last]
    for frame in frames[last + 1 :]:
        for name, function in caller.f_builtins.items():
            if function.__class__ is FunctionType and function.__code__ is frame.f_code and name[0] != ".":
                span = given_argument(fault.argument, frame, step, cache) if caller is step.frame else None
                return Fault(f"{quote(name)} {fault.text}", why=fault.why, hint=fault.hint), span
    return fault, None


def _frames(tb: TracebackType | None) -> list[tuple[FrameType, int]]:
    """Return the frames of a traceback, and the instruction of each."""
    found = []
    while tb is not None:
        found.append((tb.tb_frame, tb.tb_lasti))
        tb = tb.tb_next
    return found


def _steps(frames: list[tuple[FrameType, int]]) -> list[TracebackStep]:
    """Return the steps of the frames that run code of a source text."""
    return [TracebackStep(frame, i, frame.f_globals[".source"]) for frame, i in frames if ".source" in frame.f_globals]


def _calls(steps: list[TracebackStep]) -> tuple[Call, ...]:
    """Return the calls in the user's text, without repeated lines; the middle of a long list is left out."""
    own = [s for s in steps if not s.source.library]
    if len(own) > 200:
        own = own[:100] + own[-100:]
    calls: list[Call] = []
    for step in own:
        call = Call(step.name, step.span())
        if not calls or (calls[-1].span.file, calls[-1].span.line) != (call.span.file, call.span.line):
            calls.append(call)
        elif call.name and not calls[-1].name:
            calls[-1] = call
    return tuple(calls)


def _fault(error: BaseException, steps: list[TracebackStep]) -> FpackError | None:
    """Return the error in the user's terms, or None if the user did not cause it."""
    if isinstance(error, CycleError):
        return _loop(error)
    if isinstance(error, FpackError):
        return error
    if isinstance(error, Exhausted):
        return error.fault
    if isinstance(error, RecursionError):
        return _too_deep(steps)
    if isinstance(error, MemoryError):
        return Fault("There is not enough memory for this value")
    if isinstance(error, (TypeError, KeyError)) and _frames(error.__traceback__)[-1][0] is steps[-1].frame:
        if isinstance(error, KeyError):
            return no_field(_selected(steps[-1].frame), error.args[0])
        return _wrong_use(str(error), steps[-1])
    return None


def _selected(frame: FrameType) -> Any:
    """Return the value whose field a frame was selecting."""
    return frame.f_locals.get(".o", frame.f_globals.get(".o"))


# ---- Python's messages about wrong calls and selections


def _wrong_use(message: str, step: TracebackStep) -> Fault | None:
    """Return the fault for Python's TypeError of a call or selection, by its message; None for another message."""
    found = re.match(r"'(\w+)' object is not callable", message)
    if found:
        kind = PYTHON_NAMES.get(found[1], "value")
        hint = "fields are written { NAME = VALUE }, elements are separated by commas" if kind != "record" else ""
        callee = re.match(r"[A-Za-z_][\w.-]*(?=\s*[({])", _text(step))
        what = f"{quote(callee[0])} is" if callee else "This is"
        if callee:
            hint = ""
        if callee and kind == "record":
            hint = f"write {callee[0]}.with {{ NAME = VALUE }} to change some of its fields"
        if callee and callee[0] in STRICT:
            hint = f"a name `{callee[0]}` of your own hides the builtin; give it another name"
        return Fault(f"{what} {with_article(kind)}, not a function", hint=hint)
    if "is not subscriptable" in message or "indices must be" in message:
        return not_a_record(_selected(step.frame), _text(step))
    found = re.match(r"(\S+)\(\) (.*)", message)
    return _arguments(found[1], found[2], step) if found else None


def _text(step: TracebackStep) -> str:
    line, column, end_line, end_column = step.position()
    return line_of(step.source, line)[column : end_column if end_line == line else None].strip('"')


def _arguments(qualified: str, message: str, step: TracebackStep) -> Fault | None:
    """Return the fault for Python's TypeError of wrong arguments. qualified: the function's name in the message."""
    name = shown_name(qualified.rpartition("<locals>.")[2])
    callee = quote(name) if name else "this function"
    upper = callee[:1].upper() + callee[1:]
    names = ["a record" if n.startswith(".") else quote(n) for n in re.findall(r"'([^']+)'", message)]
    params = _params(qualified, step)
    takes = (
        f"{callee} is called as {name or 'f'}({', '.join('{ ... }' if p.startswith('.') else p for p in params)})"
        if params
        else ""
    )
    if message.startswith("missing"):
        noun = "argument" if len(names) == 1 else "arguments"
        return Fault(f"{upper} needs the {noun} {' and '.join(names)}", hint=takes)
    if message.startswith("got an unexpected keyword"):
        raw = re.findall(r"'([^']+)'", message)[0]
        return Fault(f"{upper} has no parameter {names[0]}", hint=did_you_mean(raw, params) or takes, field=raw)
    if message.startswith("got multiple values for"):
        raw = re.findall(r"'([^']+)'", message)[0]
        return Fault(f"The argument {names[0]} is given twice", hint=takes, field=raw)
    if message.startswith("got some positional-only"):
        return Fault(f"{upper} takes its arguments by position", hint="leave `NAME =` out")
    found = re.match(r"takes (?:from \d+ to )?(\d+) positional arguments? but (\d+)", message)
    return Fault(too_many(upper, int(found[1]), int(found[2])), hint=takes) if found else None


def too_many(callee: str, most: int, given: int) -> str:
    """Return the message for a call with too many arguments."""
    takes = {0: "no arguments", 1: "one argument"}.get(most, f"{most} arguments")
    return f"{callee} takes {takes}, and here {'is one' if given == 1 else f'are {given}'}"


def _params(qualified: str, step: TracebackStep) -> list[str]:
    """Return the parameters of the function with a qualified name, [] if a frame does not refer to it."""
    found = _function(qualified, step)
    return list(found.__code__.co_varnames[: found.__code__.co_argcount]) if found is not None else []


def _function(qualified: str, step: TracebackStep) -> FunctionType | None:
    """Find the function that a step called among the variables that it could see, by its qualified name."""
    frame = step.frame
    for names in (frame.f_locals, frame.f_globals, frame.f_builtins):
        for value in list(names.values()):
            if value.__class__ is FunctionType and value.__qualname__ == qualified:
                found: FunctionType = value
                return found
    return None


def _definition(message: str, step: TracebackStep) -> tuple[Other, ...]:
    """Return the position where the user defined the function that was called wrongly."""
    called = re.match(r"(\S+)\(\) ", message)
    found = _function(called[1], step) if called else None
    source = found.__globals__.get(".source") if found is not None else None
    if found is None or source is None or source.library:
        return ()
    name, number = shown_name(found.__name__), found.__code__.co_firstlineno
    line = line_of(source, number)
    written = re.search(rf"(?<![\w-]){re.escape(name)}\s*(\([^()]*\))?", line) if name else None
    if written is None:
        return ()
    span = Span(source.name, number, written.start() + 1, number, written.end() + 1, line)
    return (Other(span, "defined here"),)


# ---- loops


def _loop(error: CycleError) -> Fault:
    """Return the fault for a value that depends on itself, with the names in the cycle."""
    frames = _frames(error.__traceback__)
    thunk = None
    steps: list[TracebackStep] = []
    for frame, instruction in reversed(frames):
        if frame.f_code is force.__code__:
            forced = frame.f_locals.get("t")
            if thunk is None:
                thunk = forced
            elif forced is thunk:
                break
        elif ".source" in frame.f_globals:
            steps.append(TracebackStep(frame, instruction, frame.f_globals[".source"]))
    # Names inside the library say nothing to a user whose own definitions make the cycle.
    own = [step.name for step in steps if step.name and not step.source.library]
    names = [name for name, _ in groupby(own or [step.name for step in steps if step.name])]
    names.reverse()
    hint = ""
    if error.through_old:
        hint = "`old` sees the final fields; for the value before the change, name the record that is changed"
    if not names:
        return Fault("This value depends on itself", why="infinite recursion", hint=hint)
    if not own and (around := [step.name for step in own_steps(_steps(frames)) if step.name]):
        why = "infinite recursion: a value that it is given, such as an element of `libs` or `packages`, depends on it"
        return Fault(f"{quote(around[-1])} depends on itself", why=why, hint=hint)
    if len(names) > 1 and names[0] == names[-1]:
        names.pop()
    if len(names) == 1:
        hint = hint or f"a record's fields see each other; write outer.{names[0]} for one of the same name outside"
        return Fault(f"{quote(names[0])} depends on itself", why="infinite recursion", hint=hint)
    chain = " depends on ".join(quote(n) for n in [*names[:8], names[0]])
    return Fault(f"{quote(names[0])} depends on itself", why=f"infinite recursion: {chain}", hint=hint)


def _endless(steps: list[TracebackStep]) -> set[CodeType]:
    """Return the functions that call each other without end: those in the last steps of the traceback."""
    return {step.frame.f_code for step in steps[-400:]}


def _until_endless(steps: list[TracebackStep]) -> list[TracebackStep]:
    """Return the steps up to the first call of those functions."""
    endless = _endless(steps)
    first = next(i for i, step in enumerate(steps) if step.frame.f_code in endless)
    return steps[: first + 1]


def _too_deep(steps: list[TracebackStep]) -> Fault:
    """Return the fault for too many nested calls, with the functions that call each other."""
    names: list[str] = []
    endless = _endless(steps)
    for step in steps:
        if step.frame.f_code in endless and step.name and step.name not in names:
            names.append(step.name)
        if len(names) == len(endless):
            break
    if not names:
        return Fault("Calls are nested too deeply, perhaps without end")
    calls = " calls ".join(quote(n) for n in [*names[:6], names[0]])
    if len(names) == 1:
        calls = f"{quote(names[0])} calls itself"
    hint = "a function that calls itself needs a case in which it does not"
    return Fault("Calls are nested too deeply, perhaps without end", why=f"{calls}", hint=hint)
