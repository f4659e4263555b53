"""A receiver of web hooks on this machine, which keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass(frozen=True)
class Post:
    """One request."""

    path: str
    headers: dict[str, str]  # by lower-case name
    body: bytes
    client_port: int


@dataclass
class Hook:
    """What arrived, and how the server is to answer."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    on_post: Callable[[Post], object] = lambda _: None  # before it is answered


@contextmanager
def serve_hook() -> Iterator[Hook]:
    """Yield the receiver while it is served."""
    hook = Hook()

    class Handler(_Handler):
        receiver = hook

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook?secret=in-the-url"
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Hook]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        post = Post(self.path, headers, body, self.client_address[1])
        self.receiver.posts.append(post)
        self.receiver.on_post(post)
        try:
            self.send_response(self.receiver.status)
            for name, value in self.receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST  # noqa: N815 - whoever followed a redirect would be seen

    def log_message(self, *_: object) -> None:
        """Say nothing."""
