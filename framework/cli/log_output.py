"""The output of `framework logs`: bytes as they were into pipes and files, harmless text on terminals."""

from __future__ import annotations

import base64
import binascii
import codecs
import os
import re
import sys
from typing import Any, TextIO

import click

from framework.cli.faults import CommandFault
from framework.cli.output import json_text
from framework.exits import CliExit

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")
_LONGEST_LINE = 16 * 1024 * 1024
"""Limit on what is kept of a line that has no end yet, in bytes; a longer one is printed in parts."""
_RESET = "\x1b[0m"
_SGR = r"\x1b\[[0-9;:]{0,64}m"
_COLOUR = re.compile(_SGR)
_COLOURS_OFF = ("\x1b[m", "\x1b[0m")
_HARM = re.compile(rf"(?P<colour>{_SGR})|(?P<line_end>\r(?=\n))|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFINISHED = re.compile(r"(\x1b(\[[0-9;:]{0,64})?|\r)\Z")
"""The beginning of a colour, or of a line end: the next piece says which."""


def harmless(text: str) -> str:
    """The text for a terminal: tabs, line ends and colours (SGR) pass, and so does every character that is no control
    character. All other control characters become U+FFFD, so that nothing moves the cursor, rings or sets a title, and
    nothing is hidden: an escape sequence without its first character is plain text. A line end of CR and LF is LF."""
    return _HARM.sub(_made_harmless, text)


def _made_harmless(found: re.Match[str]) -> str:
    return found["colour"] or ("" if found["line_end"] else "\N{REPLACEMENT CHARACTER}")


class LogOutput:
    """Prints pieces of logs: as lines of JSON, as they were, or `with_task`: whole lines, each after its task."""

    def __init__(self, *, as_json: bool, with_task: bool) -> None:
        self._as_json = as_json
        self._with_task = with_task
        self._heads: dict[str, str] = {}
        self._streams: dict[tuple[str, str], _Stream] = {}

    @property
    def encoding(self) -> str | None:
        """The encoding that pieces are wanted in, as the API calls it; None where it is text."""
        return None if self._as_json else "base64"

    def write(self, answer: dict[str, Any]) -> None:
        """Prints a piece; keeps back the beginning of what can only be printed whole."""
        if self._as_json:
            click.echo(json_text(answer))
            return
        task, stream = answer["task"], answer["stream"]
        if (task, stream) not in self._streams:
            head = self._head(task) if self._with_task else ""
            self._streams[task, stream] = _Stream(head, is_error=stream == "stderr")
        self._streams[task, stream].write(_bytes_of(answer))

    def flush(self, task: str, stream: str) -> None:
        """Prints what was kept back of a log that goes no further for now."""
        if kept := self._streams.pop((task, stream), None):
            kept.flush()

    def flush_all(self) -> None:
        """Prints all that was kept back, and ends colours that were left on."""
        for stream in self._streams.values():
            stream.flush()
        self._streams.clear()

    def _head(self, task: str) -> str:
        colour = None if os.environ.get("NO_COLOR") else _COLOURS[len(self._heads) % len(_COLOURS)]
        return self._heads.setdefault(task, click.style(f"{task} |", fg=colour) if colour else f"{task} |")


class _Stream:
    """One stream of one task, on its way to where it is printed. `head` is what each line begins with, "" for none."""

    def __init__(self, head: str, *, is_error: bool) -> None:
        self._file: TextIO = sys.stderr if is_error else sys.stdout
        self._is_terminal = self._file.isatty()
        self._head = head if self._is_terminal else click.unstyle(head)
        self._line = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._is_coloured = False

    def write(self, data: bytes) -> None:
        if self._head:
            self._write_lines(data)
        elif self._is_terminal:
            self._write_text(self._decoder.decode(data))
        else:
            click.echo(data, file=self._file, nl=False)

    def flush(self) -> None:
        if self._line:
            self._print_lines(bytes(self._line))
            self._line.clear()
        if self._is_terminal and not self._head:
            text = harmless(self._unfinished + self._decoder.decode(b"", True))
            click.echo(text + (_RESET if self._is_coloured else ""), file=self._file, nl=False, color=True)
            self._unfinished, self._is_coloured = "", False

    def _write_lines(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        if not end and len(self._line) + len(data) > _LONGEST_LINE:
            end = len(data)
        if end:
            self._print_lines(bytes(self._line) + data[:end])
            self._line.clear()
        self._line += data[end:]

    def _print_lines(self, lines: bytes) -> None:
        """Prints lines, the last one with or without its end."""
        found = lines.removesuffix(b"\n").split(b"\n")
        if not self._is_terminal:
            head = self._head.encode() + b" "
            click.echo(b"".join(head + line + b"\n" for line in found), file=self._file, nl=False)
            return
        for line in found:
            text = harmless(line.removesuffix(b"\r").decode(errors="replace"))
            # A colour that is left on would be that of the next task's line.
            click.echo(f"{self._head} {text}{_RESET if _is_left_on(text, False) else ''}", file=self._file, color=True)

    def _write_text(self, text: str) -> None:
        text = self._unfinished + text
        unfinished = _UNFINISHED.search(text)
        self._unfinished = unfinished[0] if unfinished else ""
        shown = harmless(text[: unfinished.start()] if unfinished else text)
        self._is_coloured = _is_left_on(shown, self._is_coloured)
        click.echo(shown, file=self._file, nl=False, color=True)


def _is_left_on(text: str, before: bool) -> bool:
    """Whether a colour is on after the text."""
    colours = _COLOUR.findall(text)
    return colours[-1] not in _COLOURS_OFF if colours else before


def _bytes_of(answer: dict[str, Any]) -> bytes:
    """The bytes that a task wrote. A scheduler that knows no base64 answers in text, U+FFFD for what is not text."""
    if answer.get("encoding") != "base64":
        return str(answer["data"]).encode("utf-8", "replace")
    try:
        return base64.b64decode(answer["data"], validate=True)
    except binascii.Error as error:
        message = f"The scheduler's answer about a log is not in base64 ({error}). Is it of another release?"
        raise CommandFault(message, CliExit.NO_LEADER) from None
