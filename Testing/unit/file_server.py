"""A web server on this computer that gives one file, with the faults that a test wants."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What the server gives, and what it was asked for.

    Attributes
    ----------
    content : bytes
        The file.
    ranges : bool
        Whether it knows how to give a part of it.
    cuts : list of int
        After how many bytes it cuts the first answers.
    statuses : list of int
        With which errors it answers at first.
    length : int or None
        Which length it tells; None for the true one, -1 for none at all.
    shift : int
        By how many bytes the parts that it gives are off.
    asked : list of str
        Of each request, the range that it asked for; empty where it asked for all.
    """

    content: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    length: int | None = None
    shift: int = 0
    asked: list[str] = field(default_factory=list)
    address: str = ""


@contextlib.contextmanager
def serving(file: FileServer) -> Iterator[FileServer]:
    """Serve a file on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            file.asked.append(asked.removeprefix("bytes="))
            if file.statuses:
                self.send_error(file.statuses.pop(0))
                return
            start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if file.ranges else 0
            if start >= len(file.content):
                self.send_error(416)
                return
            if asked and file.ranges:
                start -= file.shift
                self.send_response(206)
                size = len(file.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            else:
                self.send_response(200)
            rest = file.content[start:]
            if file.length != -1:
                self.send_header("Content-Length", str(file.length or len(rest)))
            self.end_headers()
            # The connection ends with the answer, short of what was said where it is cut.
            with contextlib.suppress(OSError):
                self.wfile.write(rest[: file.cuts.pop(0)] if file.cuts else rest)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    file.address = f"http://127.0.0.1:{server.server_port}/file"
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield file
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
