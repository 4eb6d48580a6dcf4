"""The kernel's limits are the kernel's: programs are started with as much as it takes, and with one byte more."""

from __future__ import annotations

import errno
import resource
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from specs.rules.kernel_limits import (
    MAX_FILE_NAME_BYTES,
    MAX_PATH_BYTES,
    MAX_STRING_BYTES,
    OTHERS_BYTES,
    STACK_BYTES,
    broken_strings,
    most_in_all,
    path_fault,
)

PROGRAM = "/bin/true"


def starts(arguments: Sequence[str], environment: Mapping[str, str], stack_bytes: int = STACK_BYTES) -> bool:
    """Whether the kernel starts a program with these."""

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (stack_bytes, resource.getrlimit(resource.RLIMIT_STACK)[1]))

    try:
        subprocess.run([PROGRAM, *arguments], env=dict(environment), preexec_fn=prepare, check=True)
    except OSError as error:
        assert error.errno == errno.E2BIG
        return False
    return True


@pytest.mark.parametrize(("extra", "is_taken"), [(0, True), (1, False)])
def test_one_argument_and_one_variable(extra: int, is_taken: bool) -> None:
    argument = "x" * (MAX_STRING_BYTES - 1 + extra)
    value = "x" * (MAX_STRING_BYTES - len("NAME=") - 1 + extra)
    assert starts([argument], {}) == (not list(broken_strings([argument]))) == is_taken
    assert starts([], {"NAME": value}) == (not list(broken_strings([], [("NAME", value)]))) == is_taken


@pytest.mark.parametrize("stack_bytes", [256 * 1024, 1024 * 1024, STACK_BYTES])
def test_all_together(stack_bytes: int) -> None:
    most = most_in_all(stack_bytes)
    program = len(PROGRAM) + 1
    # The program's name counts twice, as its path and as the first argument.
    room = most - 2 * program - 8
    piece = 1000
    count = room // (piece + 8) - 1
    last = room - count * (piece + 8) - 8
    arguments = ["x" * (piece - 1)] * count
    assert starts([*arguments, "x" * (last - 1)], {}, stack_bytes)
    assert not starts([*arguments, "x" * (last - 1 + 16)], {}, stack_bytes)
    assert list(broken_strings(arguments, (), stack_bytes))
    fewer = arguments[: (most - OTHERS_BYTES) // (piece + 8)]
    assert not list(broken_strings(fewer, (), stack_bytes))


def test_a_small_stack_has_to_hold_them() -> None:
    assert starts(["x" * (64 * 1024 - OTHERS_BYTES - 9)], {}, 64 * 1024)
    assert not list(broken_strings(["x" * (64 * 1024 - OTHERS_BYTES - 9)], (), 64 * 1024))
    assert not starts(["x" * 66_000], {}, 64 * 1024)
    assert list(broken_strings(["x" * (64 * 1024 - OTHERS_BYTES)], (), 64 * 1024))


def test_without_a_limit_of_the_stack() -> None:
    assert most_in_all(-1) == most_in_all(1 << 40) == 6 * 1024 * 1024


@pytest.mark.parametrize(
    "path", ["/" + "x" * MAX_FILE_NAME_BYTES, "/" + "\u00e9" * 127, "/x" * ((MAX_PATH_BYTES - 1) // 2)]
)
def test_paths(path: str) -> None:
    for tried in (path, path + "xx"):
        try:
            Path(tried).stat()
        except OSError as error:
            assert (error.errno == errno.ENAMETOOLONG) == bool(path_fault(tried)) == (tried != path)
