"""HttpParser: feeds bytes of one HTTP response in, takes status, headers and body out."""

import h11


class HttpParser:
    """Parses one response, with the method names of the C library that pymesos was written for."""

    def __init__(self) -> None:
        self._connection = h11.Connection(our_role=h11.CLIENT)
        # h11 wants to have seen the request to which the response belongs; any will do.
        self._connection.send(h11.Request(method="POST", target="/", headers=[("Host", "-"), ("Content-Length", "0")]))
        self._connection.send(h11.EndOfMessage())
        self._response: h11.Response | None = None
        self._body: list[bytes] = []
        self._complete = False
        self._failed = False

    def execute(self, data: bytes, length: int) -> int:
        """Feeds bytes in; returns how many were parsed: `length`, or 0 when this is not HTTP."""
        try:
            self._connection.receive_data(bytes(data[:length]))
            self._drain()
        except h11.RemoteProtocolError:
            self._failed = True
            return 0
        return length

    def _drain(self) -> None:
        while not self._complete:
            event = self._connection.next_event()
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._complete = True
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                return

    def get_errno(self) -> int:
        """0, or 1 when the input was not HTTP."""
        return int(self._failed)

    def is_headers_complete(self) -> bool:
        return self._response is not None

    def get_status_code(self) -> int:
        """The status, 0 as long as it is not known."""
        return self._response.status_code if self._response else 0

    def get_headers(self) -> dict[str, str]:
        """The headers by name, in lower case."""
        if self._response is None:
            return {}
        return {name.decode("ascii"): value.decode("latin-1") for name, value in self._response.headers}

    def is_chunked(self) -> bool:
        return self.get_headers().get("transfer-encoding", "").lower() == "chunked"

    def is_partial_body(self) -> bool:
        """Whether recv_body has something to return."""
        return bool(self._body)

    def recv_body(self) -> bytes:
        """The part of the body that has not been taken yet."""
        taken, self._body = b"".join(self._body), []
        return taken

    def is_message_complete(self) -> bool:
        return self._complete
