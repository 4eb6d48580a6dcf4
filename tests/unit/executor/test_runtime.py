"""How the end of a command is told."""

from __future__ import annotations

from executor.runtime import exit_message


def test_the_last_line_that_was_written_is_told_and_lines_end_at_lf_only() -> None:
    assert exit_message(3, b"one\ntwo \x0c three\xe2\x80\xa8four\n\n") == "exit code 3: two \x0c three\u2028four"
    assert exit_message(0, b" \n") == "exit code 0"
