"""A mail server on this machine that speaks enough SMTP (RFC 5321, STARTTLS, AUTH PLAIN), and keeps what it takes."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Mailbox:
    """What arrived, and how the server is to behave."""

    port: int = 0
    tls: ssl.SSLContext | None = None  # offered by STARTTLS, or from the start
    is_tls_from_start: bool = False
    logins: list[tuple[str, str, bool]] = field(default_factory=list)  # user, password, whether over TLS
    mails: list[bytes] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    refuses: int = 0  # so many mails are refused, for now


@contextmanager
def serve_mail(box: Mailbox) -> Iterator[Mailbox]:
    """Serve the box until the block ends."""

    class Handler(_Session):
        mailbox = box

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join(10)


class _Session(socketserver.BaseRequestHandler):
    mailbox: Mailbox

    def handle(self) -> None:
        """Talk until the client ends it."""
        self.request.settimeout(20)
        self.is_tls = False
        self._file: Any = self.request.makefile("rb")
        if self.mailbox.tls and self.mailbox.is_tls_from_start:
            self._wrap(self.mailbox.tls)
            self._file = self.request.makefile("rb")
        self._say("220 test")
        while line := self._file.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            if not self._answer(verb.upper(), rest):
                return

    def finish(self) -> None:
        """Close what was wrapped as well."""
        self._file.close()
        self.request.close()

    def _answer(self, verb: str, rest: str) -> bool:
        box = self.mailbox
        match verb:
            case "EHLO":
                offers = ["STARTTLS"] if box.tls and not self.is_tls else []
                self._say(*[f"250-{one}" for one in ("test", *offers)], "250 AUTH PLAIN")
            case "STARTTLS" if box.tls:
                self._say("220 go on")
                self._file.close()
                self._wrap(box.tls)
                self._file = self.request.makefile("rb")
            case "AUTH":
                _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                box.logins.append((user, password, self.is_tls))
                self._say("235 welcome")
            case "RCPT":
                box.receivers.append(rest.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            case "DATA":
                self._take()
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 ok")
        return True

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self._file.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if self.mailbox.refuses:
            self.mailbox.refuses -= 1
            self._say("451 later")
            return
        self.mailbox.mails.append(b"".join(lines))
        self._say("250 taken")

    def _wrap(self, context: ssl.SSLContext) -> None:
        self.request = context.wrap_socket(self.request, server_side=True)
        self.is_tls = True

    def _say(self, *lines: str) -> None:
        self.request.sendall("".join(f"{line}\r\n" for line in lines).encode())
