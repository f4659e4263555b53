"""E-mail by SMTP: over TLS only, unless the server is allowed to be a private one and asks for no password."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from awcopy.config import Secret
from awcopy.errors import ServiceUnreachable, UsageError
from awcopy.notify.base import Message

TIMEOUT_S = 20.0
LONGEST_SUBJECT = 200
_PORTS = {"smtp": 587, "smtps": 465}
# Whatever could end a header, or be taken for something else by who reads it.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_UNSEEN_IN_TEXT = re.compile(rf"(?!\n){_UNSEEN.pattern}")


class Mail:
    """Implements ``awcopy.notify.base.Messenger`` by SMTP.

    Args:
        server: ``smtp://USER:PASSWORD@HOST:PORT``, which must offer STARTTLS, or ``smtps://...``, TLS from the start.
        sender: The address that it is from.
        receivers: The addresses that it is for.
        context: How TLS is verified.
        allows_private: Whether ``smtp://`` may do without TLS where the server offers none and no password is sent.
    """

    def __init__(
        self,
        server: Secret,
        sender: str,
        receivers: Sequence[str],
        *,
        context: ssl.SSLContext,
        allows_private: bool,
    ) -> None:
        self._server = urlsplit(server.reveal())
        self._sender = sender
        self._receivers = tuple(receivers)
        self._context = context
        self._allows_private = allows_private

    def send(self, message: Message) -> None:
        """Return when the server has taken the message for at least one of the receivers."""
        try:
            with self._connect() as smtp:
                smtp.send_message(self._write(message), self._sender, self._receivers)
        except smtplib.SMTPException as exc:
            code = getattr(exc, "smtp_code", "")
            raise ServiceUnreachable(
                f"the mail server refuses: {type(exc).__name__} {code}".rstrip()
            ) from exc
        except OSError as exc:
            raise ServiceUnreachable(f"the mail server does not answer: {type(exc).__name__}") from exc

    def _connect(self) -> smtplib.SMTP:
        scheme, host = self._server.scheme, self._server.hostname or ""
        port = self._server.port or _PORTS.get(scheme, 0)
        if scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=self._context)
        else:
            smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        try:
            self._begin(smtp, is_tls=scheme == "smtps")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _begin(self, smtp: smtplib.SMTP, *, is_tls: bool) -> None:
        user = self._server.username
        smtp.ehlo()
        if not is_tls:
            if smtp.has_extn("starttls"):
                smtp.starttls(context=self._context)
                smtp.ehlo()
            elif user or not self._allows_private:
                raise UsageError(
                    "the mail server offers no TLS, so nothing is sent to it",
                    hint="use smtps://, or another server",
                )
        if user:
            smtp.login(unquote(user), unquote(self._server.password or ""))

    def _write(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = one_line(message.subject)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._receivers)
        mail["Date"] = formatdate()
        # The same for every attempt, by which mailboxes drop doubles.
        mail["Message-ID"] = f"<{message.id}@awcopy.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(_UNSEEN_IN_TEXT.sub("?", message.text))
        return mail


def one_line(text: str) -> str:
    """Return a text as it may stand in a header: one line, nothing unseen in it, not too long."""
    return _UNSEEN.sub("?", text)[:LONGEST_SUBJECT]
