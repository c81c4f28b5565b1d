"""Streams of JSON documents, one a line."""

from collections.abc import Iterator

from podtick.sources.docker.errors import EngineProtocolError


class LineSplitter:
    """Cuts a stream of bytes into lines and keeps at most one line's bytes."""

    def __init__(self, what: str, limit_bytes: int) -> None:
        self._what = what
        self._limit = limit_bytes
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Return the lines that `chunk` completes; raises `EngineProtocolError` on an endless one."""
        *lines, rest = (bytes(self._rest) + chunk).split(b"\n") if b"\n" in chunk else (chunk,)
        if lines or not self._rest:
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        if len(self._rest) > self._limit:
            raise EngineProtocolError(f"{self._what}: a line is longer than {self._limit} bytes")
        return (line for line in lines if line.strip())
