"""Limits of the Linux kernel on the start of a program. What exceeds one is refused with the number, as no try can
cure it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

MAX_STRING_BYTES = 131_072
"""MAX_ARG_STRLEN: one argument, or one entry NAME=VALUE of the environment, each with the NUL that ends it."""
MAX_HOST_NAME_BYTES = 64
"""__NEW_UTS_LEN, without the NUL."""
MAX_PATH_BYTES = 4_096
"""PATH_MAX, with the NUL."""
MAX_FILE_NAME_BYTES = 255
"""NAME_MAX: one part of a path."""
STACK_BYTES = 8 * 1024 * 1024
"""The stack of a container where its ulimits say nothing: the kernel's own, which Docker leaves."""
_LEAST_IN_ALL = 131_072
_MOST_IN_ALL = 6 * 1024 * 1024
_POINTER_BYTES = 8
OTHERS_BYTES = 16 * 1024
"""Room for variables that are not in the file: of the image, of links, and the framework's own."""


def most_in_all(stack_bytes: int = STACK_BYTES) -> int:
    """Bytes of arguments and environment together, with a stack of so many bytes (below 0: without limit). They stand
    on the stack, so they are never more than it."""
    if stack_bytes < 0:
        return _MOST_IN_ALL
    return min(max(min(stack_bytes // 4, _MOST_IN_ALL), _LEAST_IN_ALL), stack_bytes)


def bytes_of(text: str) -> int:
    """Bytes of a string as the kernel counts it: with its NUL."""
    return len(text.encode("utf-8", "surrogatepass")) + 1


def broken_strings(
    arguments: Sequence[str], environment: Iterable[tuple[str, str]] = (), stack_bytes: int = STACK_BYTES
) -> Iterator[tuple[str, str]]:
    """The arguments and variables of a program that the kernel would refuse: pairs of a variable's name, "" for what is
    none's, and the reason."""
    total = 0
    for text in arguments:
        size = bytes_of(text)
        total += size + _POINTER_BYTES
        if "\0" in text:
            yield "", "an argument holds a null character, which no program can be given"
        if size > MAX_STRING_BYTES:
            yield (
                "",
                f"an argument has {size:,} bytes with the null character at its end; Linux takes at most"
                f" {MAX_STRING_BYTES:,}: put large contents into a file",
            )
    for name, value in environment:
        size = bytes_of(f"{name}={value}")
        total += size + _POINTER_BYTES
        if "\0" in value:
            yield name, f"the value of {name} holds a null character, which no program can be given"
        if size > MAX_STRING_BYTES:
            yield (
                name,
                f"{name[:100]} has {size:,} bytes with its name, '=' and the null character at its end; Linux takes at"
                f" most {MAX_STRING_BYTES:,}: put large contents into a file",
            )
    most = most_in_all(stack_bytes)
    if total > most - OTHERS_BYTES:
        yield (
            "",
            f"arguments and environment have {total:,} bytes together, {_POINTER_BYTES} for each counted; wanted at"
            f" most {most - OTHERS_BYTES:,}: with this stack Linux takes {most:,}, of which {OTHERS_BYTES:,} are for"
            " the variables of the image, of links and of the framework",
        )


def path_fault(path: str) -> str:
    """Why no file can have this path, "" where one can."""
    if "\0" in path:
        return "holds a null character, which no path can have"
    if bytes_of(path) > MAX_PATH_BYTES:
        return (
            f"has {bytes_of(path):,} bytes with the null character at its end; Linux takes at most {MAX_PATH_BYTES:,}"
        )
    longest = max(bytes_of(part) - 1 for part in path.split("/"))
    if longest > MAX_FILE_NAME_BYTES:
        return f"has a part of {longest:,} bytes; Linux takes at most {MAX_FILE_NAME_BYTES} between two slashes"
    return ""
