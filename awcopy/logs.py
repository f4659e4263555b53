"""How awcopy logs: one JSON object a line, secrets masked by shape. What is logged is up to the callers."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

# What a credential looks like in a URL, a header or an error text of a store's client. The second line of
# defence only: nothing that holds a secret is passed to a log call in the first place.
_SECRET_SHAPES = re.compile(
    r"(?i)((?:sig|x-amz-signature|x-amz-credential|x-amz-security-token|accountkey|secret|password)=)[^&\s;\"']+"
    r"|(?i:bearer\s+)[\w.~+/-]+=*"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bawc_[a-z0-9.-]{1,63}_[0-9a-f]{48}\b"
)
_CHATTY = ("boto3", "botocore", "urllib3", "azure", "msal", "s3transfer")


def mask_secrets(text: str) -> str:
    """Return the text with everything that has the shape of a credential replaced by ``***``."""
    return _SECRET_SHAPES.sub(lambda match: (match[1] or "") + "***", text)


def _mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: mask_secrets(value) if isinstance(value, str) else value for name, value in event.items()}


def configure_logging(level: str = "INFO") -> None:
    """Send awcopy's and its libraries' records to standard error as JSON lines.

    The stores' clients are held at WARNING whatever the level, because their debug records print what
    they sign.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_event,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
