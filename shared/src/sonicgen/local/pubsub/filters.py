"""Subscription filters: the expression language that chooses messages by their attributes.

Grammar (cloud.google.com/pubsub/docs/subscription-message-filter): `attributes:key`, `attributes.key = "v"`,
`attributes.key != "v"`, `hasPrefix(attributes.key, "v")`, `NOT` or `-` before a term, brackets, and `AND` or `OR`
between terms; mixing AND with OR needs brackets. A missing key is unequal to everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sonicgen.errors import InputError

Predicate = Callable[[Mapping[str, str]], bool]

# Bytes; the limit of the real service, so that what works here works there.
MAX_FILTER_BYTES = 256

_SYMBOL = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>!=|[().,:=-])|(?P<word>[A-Za-z_][\w-]*))')


@lru_cache(maxsize=256)
def compile_filter(expression: str) -> Predicate:
    """Return the test that messages' attributes must pass; an empty expression passes all.

    Raises InputError that names the place where the expression stops making sense.
    """
    if len(expression.encode()) > MAX_FILTER_BYTES:
        raise InputError(f"The filter is longer than {MAX_FILTER_BYTES} bytes; shorten it.")
    if not expression.strip():
        return lambda _attributes: True
    return _Parser(expression).parse()


class _Parser:
    """Recursive descent over the symbols of one expression."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._symbols = self._split(expression)
        self._position = 0

    def parse(self) -> Predicate:
        predicate = self._alternatives()
        if self._position < len(self._symbols):
            raise self._fault("the end, or AND, OR between terms (brackets where both are used)")
        return predicate

    def _split(self, expression: str) -> list[str]:
        symbols = []
        position = 0
        end = len(expression.rstrip())
        while position < end:
            found = _SYMBOL.match(expression, position)
            if found is None:
                raise InputError(f"The filter {expression!r} cannot be read from {expression[position:].strip()!r} on.")
            symbols.append(found.group().strip())
            position = found.end()
        return symbols

    def _alternatives(self) -> Predicate:
        terms = [self._term()]
        joint = self._peek()
        if joint not in {"AND", "OR"}:
            return terms[0]
        while self._peek() == joint:
            self._position += 1
            terms.append(self._term())
        if joint == "AND":
            return lambda attributes: all(term(attributes) for term in terms)
        return lambda attributes: any(term(attributes) for term in terms)

    def _term(self) -> Predicate:
        symbol = self._next("a term")
        if symbol in {"NOT", "-"}:
            negated = self._term()
            return lambda attributes: not negated(attributes)
        if symbol == "(":
            inner = self._alternatives()
            self._expect(")")
            return inner
        if symbol == "hasPrefix":
            return self._prefix()
        if symbol == "attributes":
            return self._comparison()
        self._position -= 1
        raise self._fault("attributes, hasPrefix, NOT or a bracket")

    def _prefix(self) -> Predicate:
        self._expect("(")
        self._expect("attributes")
        self._expect(".")
        key = self._key()
        self._expect(",")
        prefix = self._text()
        self._expect(")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _comparison(self) -> Predicate:
        sign = self._next("a dot or a colon")
        if sign == ":":
            present = self._key()
            return lambda attributes: present in attributes
        if sign != ".":
            self._position -= 1
            raise self._fault("a dot or a colon")
        key = self._key()
        sign = self._next("= or !=")
        if sign not in {"=", "!="}:
            self._position -= 1
            raise self._fault("= or !=")
        value = self._text()
        if sign == "=":
            return lambda attributes: attributes.get(key) == value
        return lambda attributes: attributes.get(key) != value

    def _key(self) -> str:
        symbol = self._next("an attribute's key")
        if symbol.startswith('"'):
            return self._unquote(symbol)
        if not (symbol[0].isalpha() or symbol[0] == "_"):
            self._position -= 1
            raise self._fault("an attribute's key")
        return symbol

    def _text(self) -> str:
        symbol = self._next("a value in double quotes")
        if not symbol.startswith('"'):
            self._position -= 1
            raise self._fault("a value in double quotes")
        return self._unquote(symbol)

    def _unquote(self, symbol: str) -> str:
        try:
            return str(json.loads(symbol, strict=False))
        except ValueError as error:
            raise InputError(f"The filter's value {symbol} has an escape that cannot be read.") from error

    def _peek(self) -> str | None:
        return self._symbols[self._position] if self._position < len(self._symbols) else None

    def _next(self, wanted: str) -> str:
        symbol = self._peek()
        if symbol is None:
            raise self._fault(wanted)
        self._position += 1
        return symbol

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._fault(sign)
        self._position += 1

    def _fault(self, wanted: str) -> InputError:
        symbol = self._peek()
        place = "at its end" if symbol is None else f"at {symbol!r}"
        return InputError(f"The filter {self._expression!r} is wrong {place}: expected {wanted}.")
