"""Which scheduler a command talks to, and how."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from framework.cli.faults import CommandFault
from framework.cli.retrying import NoScheduler, Retry
from framework.exits import CliExit
from specs.plain_text import plain_lines

DEFAULT_URL = "http://127.0.0.1:8080"
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 40.0
_SILENCE_SECONDS = 45.0

Answer = dict[str, Any]
Values = Mapping[str, str | int | float | bool | None]
Headers = Mapping[str, str]

_KEY = "Idempotency-Key"
"""Names a request: another try of it is the same change, whichever scheduler has taken the first."""
_OUTCOME = "X-Framework-Outcome"
"""Says of an answer that the request may still happen."""
_UNAVAILABLE = frozenset({502, 503, 504})
"""Statuses of a scheduler that cannot answer now, and of a load balancer that reaches none."""


_ONCE = Retry()


class RequestRefused(CommandFault):
    """The scheduler answered no; `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, CliExit.REFUSED)
        self.status = status


@dataclass(frozen=True, slots=True)
class Address:
    """Where the scheduler is, and who said so."""

    url: str
    source: str


def find_address(flag: str | None) -> Address:
    """The address of the scheduler: the flag, FRAMEWORK_URL, the local cluster's, or the default."""
    if flag:
        return Address(_checked(flag, "--url"), "--url")
    if os.environ.get("FRAMEWORK_URL"):
        return Address(_checked(os.environ["FRAMEWORK_URL"], "FRAMEWORK_URL"), "FRAMEWORK_URL")
    directory = os.environ.get("FRAMEWORK_LOCAL_DIR")
    file = Path(directory) / "url" if directory else Path("~/.framework/local/url").expanduser()
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if text:
        return Address(_checked(text, str(file)), str(file))
    return Address(DEFAULT_URL, "the default")


def read_token(flag: str | None) -> str | None:
    """The token of --token-file or FRAMEWORK_TOKEN_FILE, None where neither is given."""
    name = flag or os.environ.get("FRAMEWORK_TOKEN_FILE")
    if not name:
        return None
    said_by = "--token-file" if flag else "FRAMEWORK_TOKEN_FILE"
    try:
        token = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CommandFault(f"The token file {name} ({said_by}) cannot be read: {why}.", CliExit.USAGE) from None
    if not token or not token.isprintable() or not token.isascii():
        raise CommandFault(
            f"The token file {name} ({said_by}) wants one line of printable ASCII; got "
            f"{'nothing' if not token else 'something else'}.",
            CliExit.USAGE,
        )
    return token


class Server:
    """The scheduler's API. Raises NoScheduler and RequestRefused, whose messages are for people.

    With a `retry` every change is tried again for a while where no scheduler can answer, each with a key of its own.
    """

    def __init__(self, address: Address, token: str | None, retry: Retry = _ONCE) -> None:
        self.address = address
        self._retry = retry
        self._session = requests.Session()
        # No proxies and no .netrc: the scheduler is where the address says, and wants its own token only.
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(
        self,
        path: str,
        *,
        seconds: float = _ANSWER_SECONDS,
        retries: bool = False,
        **parameters: str | int | float | bool | None,
    ) -> Answer:
        """Reads; tries again only where it `retries`, as a part of a change does."""
        if retries:
            return self._retry.run(lambda left: self._answer("GET", path, parameters, None, left), seconds)
        return self._answer("GET", path, parameters, None, seconds)

    def put(self, path: str, content: Any, **parameters: str | int | bool | None) -> Answer:
        """Submits."""
        return self._change("PUT", path, parameters, content)

    def post(self, path: str, content: Any) -> Answer:
        """Asks for a change."""
        return self._change("POST", path, {}, content)

    def delete(self, path: str, **parameters: str | int | bool | None) -> Answer:
        """Removes."""
        return self._change("DELETE", path, parameters, None)

    def events(
        self, heard: Callable[[str], None] | None = None, **parameters: str | int | bool | None
    ) -> Iterator[Answer]:
        """The event stream until it ends; raises NoScheduler when it breaks. `heard` is told each id once its event was
        taken: what to come back with."""
        with self._request("GET", "/v1/events", parameters, None, _SILENCE_SECONDS, stream=True) as response:
            if response.status_code != 200:
                raise self._refused(response)
            id = ""
            try:
                for line in response.iter_lines(chunk_size=1):
                    if line.startswith(b"id: "):
                        id = line[4:].decode()
                    elif line.startswith(b"data: "):
                        yield json.loads(line[6:])
                    elif not line and id and heard:
                        heard(id)
            except (requests.RequestException, ValueError) as error:
                raise NoScheduler(f"The event stream of {self.address.url} broke: {_why(error)}.") from None

    def lines(self, path: str) -> Iterator[Answer]:
        """Lines of JSON as they come, until their end; raises NoScheduler when they break off."""
        with self._request("GET", path, {}, None, _SILENCE_SECONDS, stream=True) as response:
            if response.status_code != 200:
                raise self._refused(response)
            rest = b""
            try:
                for piece in response.iter_content(chunk_size=None):
                    *whole, rest = (rest + piece).split(b"\n")
                    yield from (json.loads(line) for line in whole if line)
            except (requests.RequestException, ValueError) as error:
                raise NoScheduler(f"The connection to {self.address.url} broke: {_why(error)}.") from None

    def beside(self) -> Server:
        """The same scheduler by a connection of its own, for another thread."""
        other = Server(self.address, None)
        other._session.headers.update(self._session.headers)
        return other

    def post_lines(self, path: str, lines: Sequence[Answer]) -> None:
        """Sends lines of JSON."""
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        response = self._request("POST", path, {}, body, _ANSWER_SECONDS)
        if response.status_code >= 400:
            raise self._refused(response)

    def _change(self, method: str, path: str, parameters: Values, content: Any) -> Answer:
        headers = {_KEY: str(uuid.uuid4())} if self._retry.seconds else {}
        return self._retry.run(
            lambda seconds: self._answer(method, path, parameters, content, seconds, headers), _ANSWER_SECONDS
        )

    def _answer(
        self, method: str, path: str, parameters: Values, content: Any, seconds: float, headers: Headers | None = None
    ) -> Answer:
        response = self._request(method, path, parameters, content, seconds, headers=headers)
        if response.status_code >= 400:
            raise self._refused(response)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._is_other()
        return answer

    def _request(
        self,
        method: str,
        path: str,
        parameters: Values,
        content: Any,
        seconds: float,
        stream: bool = False,
        headers: Headers | None = None,
    ) -> requests.Response:
        given = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in parameters.items()
            if value is not None
        }
        try:
            return self._session.request(
                method,
                self.address.url + path,
                params=given,
                json=None if isinstance(content, bytes) else content,
                data=content if isinstance(content, bytes) else None,
                headers=dict(headers or {}),
                timeout=(min(_CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=stream,
            )
        except requests.RequestException as error:
            raise NoScheduler(
                f"No scheduler answers at {self.address.url} (from {self.address.source}): {_why(error)}.\n"
                "Is one running? `framework local status` tells of the local cluster; --url or FRAMEWORK_URL name"
                " another.",
                is_temporary=not _is_lasting(error),
                is_unknown=not isinstance(error, requests.ConnectTimeout) and "refused" not in _why(error),
            ) from None

    def _refused(self, response: requests.Response) -> CommandFault:
        try:
            answer = response.json()
            lines = [str(answer["message"])]
            lines += [f"  {detail['path']}: {detail['error']}" for detail in answer["details"]]
        except (ValueError, KeyError, TypeError):
            return self._is_other(response.status_code)
        message = printable("\n".join(lines))
        if response.status_code == 503:
            return NoScheduler(message, is_temporary=True, is_unknown=response.headers.get(_OUTCOME) == "unknown")
        return RequestRefused(message, response.status_code)

    def _is_other(self, status: int = 200) -> CommandFault:
        return NoScheduler(
            f"What answers at {self.address.url} (from {self.address.source}) is not a framework scheduler. "
            "Look at --url or FRAMEWORK_URL.",
            is_temporary=status in _UNAVAILABLE,
            is_unknown=status in _UNAVAILABLE,
        )


def path_of(*parts: str) -> str:
    """`/v1/…` of names that people typed."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def printable(text: str) -> str:
    """The text of others for a terminal: nothing in it moves the cursor or changes colours."""
    return plain_lines(text, "\N{REPLACEMENT CHARACTER}")


def _checked(text: str, source: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good:
        raise CommandFault(f"{source} wants the address of a scheduler, as {DEFAULT_URL}; got {text!r}.", CliExit.USAGE)
    return url.rstrip("/")


def _is_lasting(error: Exception) -> bool:
    """Whether another try ends in the same way: the address is wrong, or what listens there is."""
    signs = ("Name or service not known", "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "BadStatusLine")
    return any(sign in str(error) for sign in signs)


def _why(error: Exception) -> str:
    text = str(error)
    for sign, words in (
        ("Connection refused", "connection refused"),
        ("Name or service not known", "the name is not known"),
        ("Temporary failure in name resolution", "the name cannot be looked up"),
        ("No route to host", "no route to it"),
        ("Network is unreachable", "its network is unreachable"),
        ("ConnectTimeout", "no connection in time"),
        ("Connection reset", "the connection was reset"),
        ("RemoteDisconnected", "it closed the connection without an answer"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS; is it http:// instead of https://?"),
        ("BadStatusLine", "it does not speak HTTP"),
        ("Connection aborted", "the connection was broken"),
    ):
        if sign in text:
            return words
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {_CONNECT_SECONDS:g} s"
    if isinstance(error, requests.Timeout) or "Read timed out" in text:
        return "no answer in time"
    return type(error).__name__
