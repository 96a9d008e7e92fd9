"""Read a large JSON object or list one member at a time, in memory for the largest member only."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import Any

from .compiled import DataError

CHUNK = 1 << 20  # bytes
MAX_MEMBER = 64 << 20  # characters; the Linux kernel's in Debian's tracker has about 15 million
MAX_VALUES = 2_500_000  # of a member, each of which takes up to 150 bytes; the kernel's has about 500,000
_SPACE = " \t\n\r"
_WORD = 10  # characters of the longest word, and one more

Read = Callable[[int], bytes]


class JsonStream:
    """A JSON text. read: returns up to as many bytes. where: the file, for errors. `first` is its first character."""

    def __init__(self, read: Read, where: str) -> None:
        self._read = read
        self._where = where
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("strict").decode
        self._text = ""
        self._at = 0
        self._forgotten = 0  # characters
        self._ended = False
        self.first = self._peek()

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield the members of an object with their names, or the items of a list with "" as the name."""
        parse = json.JSONDecoder().raw_decode
        is_object = self.first == "{"
        end = "}" if is_object else "]"
        if self.first not in "{[" or not self.first:
            raise self._error("it is neither an object nor a list")
        self._at += 1
        separator = ""
        while (char := self._peek()) != end or separator == ",":
            name = ""
            if is_object:
                if char != '"':
                    raise self._error("a name is missing")
                name = self._value(parse)
                self._skip(":")
                self._peek()
            yield name, self._value(parse)
            separator = self._peek()
            if separator not in (",", end) or not separator:
                raise self._error("it ends early" if not separator else "a comma is missing")
            self._at += separator == ","
        self._at += 1
        if self._peek():
            raise self._error("there is something after its end")

    def _value(self, parse: Callable[[str, int], tuple[Any, int]]) -> Any:
        """Return the value at the current position. Read more if it is not complete."""
        size = CHUNK
        while True:
            try:
                value, end = parse(self._text, self._at)
                # A number at the end of the text may continue.
                if end < len(self._text) or isinstance(value, str | dict | list) or self._ended:
                    self._at = end
                    return value
            except (JSONDecodeError, IndexError) as error:
                if self._ended or self._is_certain(error):
                    raise self._error(self._reason(error)) from None
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ValueError as error:
                raise self._error(str(error)) from None
            if len(self._text) - self._at > MAX_MEMBER:
                raise self._error(f"a member has more than {MAX_MEMBER} characters, or is not valid JSON")
            self._more(size)
            size *= 2  # so that a value is parsed a few times only

    def _is_certain(self, error: Exception) -> bool:
        """Return whether an error stays if the text goes on: it is not near the end, and not an open string."""
        expected = isinstance(error, JSONDecodeError) and error.msg.startswith("Expecting")
        return expected and getattr(error, "pos", 0) + _WORD < len(self._text)

    def _reason(self, error: Exception) -> str:
        """Return what is wrong, and where in the whole text: the parser knows only what is left of it."""
        if isinstance(error, JSONDecodeError):
            return f"{error.msg}: character {self._forgotten + error.pos + 1}"
        return "it ends early"

    def _more(self, size: int = CHUNK) -> None:
        """Read more, and forget what was parsed."""
        pieces = [self._text[self._at :]]
        while size > 0 and not self._ended:
            try:
                data = self._read(CHUNK)
                self._ended = not data
                pieces.append(self._decode(data, self._ended))
            except UnicodeDecodeError:
                raise self._error("it is not UTF-8") from None
            size -= CHUNK
        self._forgotten += self._at
        self._text, self._at = "".join(pieces), 0
        if sum(map(self._text.count, ",[{")) > MAX_VALUES:
            raise self._error(f"a member has more than {MAX_VALUES} values")

    def _peek(self) -> str:
        """Return the next character that is no white space, without skipping it; "" at the end."""
        while True:
            while self._at < len(self._text):
                if (char := self._text[self._at]) not in _SPACE:
                    return char
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def _skip(self, char: str) -> None:
        if self._peek() != char:
            raise self._error(f"a {char!r} is missing")
        self._at += 1

    def _error(self, why: str) -> DataError:
        return DataError("The vulnerability data is not valid JSON", where=self._where, why=why[:200])
