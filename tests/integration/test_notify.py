"""Messages to real receivers on this machine: a signed web hook, and a mail server with and without TLS."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import ssl

import pytest

from awcopy.config import Secret
from awcopy.errors import AwcopyError, ServiceUnreachable, UsageError
from awcopy.notify.base import Message
from awcopy.notify.mail import Mail
from awcopy.notify.webhook import Webhook
from tests.acceptance.tls_relay import TlsRelay, write_certificate
from tests.integration.hook_server import serve_hook
from tests.integration.mail_server import Mailbox, serve_mail

MESSAGE = Message(id="0123abcd", subject="awcopy: job x completed", text="line\nline é\n", body=b'{"a": 1}')
HOSTILE = "x\r\nBcc: everyone@example.org\r\n\r\n<script>\x1b[2J\u202e"


@pytest.fixture
def hook():
    with serve_hook() as receiver:
        yield receiver


def webhook(url: str, *, key: str = "s3cret", allows_private: bool = True, context=None) -> Webhook:
    return Webhook(
        Secret(url),
        Secret(key),
        context=context or ssl.create_default_context(),
        allows_private=allows_private,
        clock=lambda: 1_790_000_000.9,
    )


def test_a_web_hook_gets_the_message_signed(hook):
    webhook(hook.url).send(MESSAGE)
    [post] = hook.posts
    assert (post.path, post.body) == ("/hook?secret=in-the-url", MESSAGE.body)
    assert post.headers["webhook-id"] == MESSAGE.id
    assert post.headers["content-type"] == "application/json"
    # As the page on notifications verifies it.
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    digest = hmac.new(b"s3cret", signed, hashlib.sha256).digest()
    assert post.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert post.headers["webhook-timestamp"] == "1790000000"


def test_a_web_hook_without_a_key_gets_no_signature(hook):
    webhook(hook.url, key="").send(MESSAGE)
    assert "webhook-signature" not in hook.posts[0].headers


@pytest.mark.parametrize("status", [301, 307, 308, 400, 410, 500, 503])
def test_whatever_is_no_2xx_is_a_failure_and_leads_nowhere(hook, status):
    hook.status, hook.headers = status, {"Location": hook.url}
    with pytest.raises(ServiceUnreachable, match=str(status)) as raised:
        webhook(hook.url).send(MESSAGE)
    assert len(hook.posts) == 1
    assert "in-the-url" not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_nothing_is_sent_to_a_private_address_unless_that_is_allowed(hook, host):
    url = hook.url.replace("127.0.0.1", host).replace("http://", "https://")
    with pytest.raises(AwcopyError, match="private"):
        webhook(url, allows_private=False).send(MESSAGE)
    assert hook.posts == []


def test_a_web_hook_without_tls_is_for_private_receivers_only():
    with pytest.raises(UsageError, match="https"):
        webhook("http://example.org/hook", allows_private=False).send(MESSAGE)


def test_a_web_hook_over_tls_is_verified(hook, tmp_path):
    authority = write_certificate(tmp_path)
    with TlsRelay(int(hook.url.split(":")[2].split("/")[0]), tmp_path) as relay:
        url = f"https://127.0.0.1:{relay.port}/hook"
        with pytest.raises(ServiceUnreachable, match="SSLCertVerificationError"):
            webhook(url).send(MESSAGE)
        webhook(url, context=ssl.create_default_context(cafile=authority)).send(MESSAGE)
    assert [post.path for post in hook.posts] == ["/hook"]


def test_a_web_hook_that_is_not_there_is_a_failure_that_names_no_address():
    with pytest.raises(ServiceUnreachable) as raised:
        webhook("http://127.0.0.1:1/hook?token=abc").send(MESSAGE)
    assert str(raised.value) == "the web hook does not answer: ConnectionRefusedError"


def tls_context(folder) -> ssl.SSLContext:
    write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def mail(
    box: Mailbox, scheme: str, folder, *, user: str = "ann:p%40ss@", allows_private: bool = False
) -> Mail:
    return Mail(
        Secret(f"{scheme}://{user}127.0.0.1:{box.port}"),
        "awcopy@example.org",
        ("ops@example.org", "dana@example.org"),
        context=ssl.create_default_context(cafile=folder / "authority.pem" if box.tls else None),
        allows_private=allows_private,
    )


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_e_mail_goes_over_tls_with_the_password(tmp_path, scheme):
    box = Mailbox(tls=tls_context(tmp_path), is_tls_from_start=scheme == "smtps")
    with serve_mail(box):
        mail(box, scheme, tmp_path).send(MESSAGE)
    assert box.logins == [("ann", "p@ss", True)]
    assert box.receivers == ["ops@example.org", "dana@example.org"]
    [raw] = box.mails
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert parsed["Subject"] == MESSAGE.subject
    assert parsed["Message-ID"] == f"<{MESSAGE.id}@awcopy.invalid>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content().replace("\r\n", "\n") == MESSAGE.text


@pytest.mark.parametrize(("user", "allows_private"), [("ann:secret@", True), ("", False)])
def test_nothing_is_sent_to_a_mail_server_without_tls(tmp_path, user, allows_private):
    with serve_mail(Mailbox()) as box, pytest.raises(UsageError, match="no TLS"):
        mail(box, "smtp", tmp_path, user=user, allows_private=allows_private).send(MESSAGE)
    assert (box.logins, box.mails) == ([], [])


def test_a_mail_server_whose_certificate_nobody_knows_gets_nothing(tmp_path):
    box = Mailbox(tls=tls_context(tmp_path))
    with serve_mail(box):
        (tmp_path / "other").mkdir()
        write_certificate(tmp_path / "other")
        with pytest.raises(ServiceUnreachable):
            mail(box, "smtp", tmp_path / "other").send(MESSAGE)
    assert (box.logins, box.mails) == ([], [])


def test_hostile_names_end_no_header_and_reach_no_one_else(tmp_path):
    message = Message(
        id="0", subject=f"awcopy: job {HOSTILE} failed", text=f"job {HOSTILE}\n.\nRCPT\n", body=b"{}"
    )
    with serve_mail(Mailbox()) as box:
        mail(box, "smtp", tmp_path, user="", allows_private=True).send(message)
    [raw] = box.mails
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert set(parsed.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert parsed["Subject"] == "awcopy: job x??Bcc: everyone@example.org????<script>?[2J? failed"
    assert parsed.get_content_type() == "text/plain"
    assert box.receivers == ["ops@example.org", "dana@example.org"]
    assert not {"\x1b", "\u202e"} & set(parsed.get_content())


def test_a_mail_server_that_refuses_for_now_is_a_failure(tmp_path):
    with serve_mail(Mailbox(refuses=1)) as box:
        sender = mail(box, "smtp", tmp_path, user="", allows_private=True)
        with pytest.raises(ServiceUnreachable, match="451"):
            sender.send(MESSAGE)
        sender.send(MESSAGE)
    assert len(box.mails) == 1
