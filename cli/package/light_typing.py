"""Stand in for `typing` while fpack runs: importing that takes a tenth of the time of a quick command.

A type checker reads the names of `typing` itself. Modules that read type hints at run time have to import those.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # type checkers take this name as true

if TYPE_CHECKING:
    from typing import IO as IO
    from typing import Any as Any
    from typing import BinaryIO as BinaryIO
    from typing import Final as Final
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeAlias as TypeAlias
    from typing import TypeVar as TypeVar
    from typing import cast as cast
else:
    IO = Any = BinaryIO = Final = NoReturn = Protocol = TextIO = TypeAlias = object

    class Generic:
        """A class that takes parameters, which mean nothing at run time."""

        __slots__ = ()

        def __class_getitem__(cls, parameters):
            """Return the class itself."""
            return cls

    def TypeVar(name, *constraints, **bounds):
        """Return a stand-in for a type variable."""
        return object

    def cast(kind, value):
        return value

    class _NamedTupleMaker(type):
        """The class of NamedTuple: it makes a named tuple of each class that derives from that."""

        def __new__(mcs, name, bases, namespace):
            if not bases:
                return super().__new__(mcs, name, bases, namespace)
            fields = namespace.pop("__annotations__", {})
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            made = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])
            made.__annotations__ = fields
            for key, value in namespace.items():
                if key not in ("__module__", "__qualname__"):
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_NamedTupleMaker):
        """A tuple whose elements have names, as of `typing`."""
