"""Variables in values: `$NAME`, `${NAME}`, `${NAME:-default}` and its kin, `$$` for a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Mapping

from specs.model.limits import MAX_NESTED_DEFAULTS, MAX_VALUE_BYTES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(ValueError):
    """A text whose variables cannot be filled in; the message says which and why. `variable` is the one not set."""

    def __init__(self, message: str, variable: str = "") -> None:
        super().__init__(message)
        self.variable = variable


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in.

    With a colon an empty variable counts as unset: `:-` gives a default, `:?` an error's words, `:+` a text for when it
    is set; without, only a missing one does. Defaults may hold variables. Raises InterpolationError.
    """
    if "$" not in text:
        return text
    result = _filled(text, variables, 0)
    if len(result.encode("utf-8", "surrogatepass")) > MAX_VALUE_BYTES:
        raise InterpolationError(f"has more than {MAX_VALUE_BYTES:,} bytes once its variables are filled in")
    return result


def _filled(text: str, variables: Mapping[str, str], depth: int) -> str:
    if depth > MAX_NESTED_DEFAULTS:
        raise InterpolationError(f"has defaults within defaults more than {MAX_NESTED_DEFAULTS} deep")
    pieces: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        pieces.append(text[position:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            pieces.append("$")
            position = dollar + 2
        elif following == "{":
            end = _closing_brace(text, dollar + 2)
            pieces.append(_braced(text[dollar + 2 : end], variables, depth))
            position = end + 1
        elif found := _NAME.match(text, dollar + 1):
            pieces.append(_value(found[0], variables))
            position = found.end()
        else:
            raise InterpolationError(
                f"has a '$' at position {dollar + 1} that begins no variable; write $$ for a dollar sign"
            )
    pieces.append(text[position:])
    return "".join(pieces)


def _closing_brace(text: str, start: int) -> int:
    """The index of the brace that closes the one before `start`."""
    depth, index = 1, start
    while index < len(text):
        if text.startswith("$$", index):
            index += 2
        elif text.startswith("${", index):
            depth, index = depth + 1, index + 2
            if depth > MAX_NESTED_DEFAULTS + 1:
                raise InterpolationError(f"has defaults within defaults more than {MAX_NESTED_DEFAULTS} deep")
        elif text[index] == "}":
            depth, index = depth - 1, index + 1
            if depth == 0:
                return index - 1
        else:
            index += 1
    raise InterpolationError(f"has a '${{' at position {start - 1} that no '}}' closes")


def _braced(inside: str, variables: Mapping[str, str], depth: int) -> str:
    found = _NAME.match(inside)
    if not found:
        raise InterpolationError(f"has ${{{inside}}}; wanted a name of letters, digits and '_' after '${{'")
    name, rest = found[0], inside[found.end() :]
    if not rest:
        return _value(name, variables)
    operator = next((sign for sign in _OPERATORS if rest.startswith(sign)), None)
    if operator is None:
        raise InterpolationError(f"has ${{{inside}}}; wanted '}}', or one of {' '.join(_OPERATORS)} after {name}")
    word = rest[len(operator) :]
    is_set = bool(variables.get(name)) if operator.startswith(":") else name in variables
    if operator.endswith("+"):
        return _filled(word, variables, depth + 1) if is_set else ""
    if is_set:
        return variables[name]
    if operator.endswith("-"):
        return _filled(word, variables, depth + 1)
    said = _filled(word, variables, depth + 1)
    raise InterpolationError(f"needs the variable {name}: {said or 'set it'}", name)


def _value(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise InterpolationError(
            f"uses the variable {name}, which is not set; export it, or write ${{{name}:-default}}", name
        )
    return variables[name]
