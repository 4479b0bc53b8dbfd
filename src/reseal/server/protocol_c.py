"""The limits of a head for httptools, which has none of its own."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reseal.server.protocol import HEAD_BYTES, HEAD_FIELDS, Patience


class PatientHttpTools(Patience, HttpToolsProtocol):
    """The parser in C, with a limit on the head."""

    _in_head = True
    _received = 0
    """Bytes of a head that is still arriving."""
    _size = 0
    _fields = 0

    def on_message_begin(self) -> None:
        self._in_head, self._received, self._size, self._fields = True, 0, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._received += len(data)
            if self._received > HEAD_BYTES:
                self.hang_up(_TOO_LARGE)

    def send_400_response(self, msg: str) -> None:
        if self._is_too_large():
            self.hang_up(_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._size += size
        if self._is_too_large():
            raise ValueError("the head is too large")  # httptools makes a parser's error of it

    def _is_too_large(self) -> bool:
        return self._size > HEAD_BYTES or self._fields > HEAD_FIELDS


_TOO_LARGE = "431 Request Header Fields Too Large"
