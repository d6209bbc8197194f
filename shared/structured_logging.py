"""Logs: one JSON object a line, the request's id in every one, no secret in any.

Exception messages are left out unless DEBUG is on: drivers and parsers quote the data
that they reject (PostgreSQL: `Key (email)=(...) already exists`).
"""

import json
import logging
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.log import CallbackFilter

request_id: ContextVar[str] = ContextVar("request_id", default="")
# The request that is being answered. Authentication sets its `caller`.
current: ContextVar[Any] = ContextVar("current", default=None)

audit_logger = logging.getLogger("memo.audit")
access_logger = logging.getLogger("memo.access")
dependency_logger = logging.getLogger("memo.dependency")

# Attributes of every LogRecord. All others of a record come from `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# Extras of Django and gunicorn that the log omits: objects and duplicates.
NOISE = frozenset({"request", "server_time", "status_code", "params", "alias", "sql"})

# Numbers of older files, 10 MB each. 200 MB hold two weeks of one event in 2 seconds.
OLDER_LOGS, OLDER_AUDIT_LOGS = 3, 20

# Made once: `json.dumps` with a `default` would make an encoder for every line.
ENCODER = json.JSONEncoder(default=str)


def audit(event: str, **fields: Any) -> None:
    """Record a security event (names from the OWASP Logging Vocabulary)."""
    audit_logger.info("%s", event, extra={"event": event, **fields})


class JSONFormatter(logging.Formatter):
    """A record as one line of ASCII JSON: control characters cannot forge lines."""

    def __init__(self, service: str, messages_of_exceptions: bool = False) -> None:
        super().__init__()
        self.service = service
        self.messages_of_exceptions = messages_of_exceptions

    def format(self, record: logging.LogRecord) -> str:
        """The record with its extras, and its exceptions as types and stacks."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "service": self.service,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        if caller := getattr(current.get(), "caller", None):
            line["caller"] = caller
        for name, value in vars(record).items():
            if name not in STANDARD and name not in NOISE:
                line[name] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self.describe(record.exc_info[1])
        return ENCODER.encode(line)

    def describe(self, exc: BaseException) -> list[str]:
        """Type and stack of an exception and of its causes, outermost first."""
        described: list[str] = []
        seen: BaseException | None = exc
        chain: list[BaseException] = []
        while seen is not None and seen not in chain:  # Causes may form a circle.
            chain.append(seen)
            text = f": {seen}" if self.messages_of_exceptions else ""
            described.append(f"{type(seen).__module__}.{type(seen).__qualname__}{text}")
            described += [
                f"  {frame.filename}:{frame.lineno} in {frame.name}"
                for frame in traceback.extract_tb(seen.__traceback__)
            ]
            seen = seen.__cause__ or seen.__context__
        return described


def handler(filename: str, kept: int) -> dict[str, Any]:
    """The configuration of a handler: a rotated file, or stderr without a filename."""
    if not filename:
        return {"class": "logging.StreamHandler", "formatter": "json"}
    shared = "shared.log_file.SharedFileHandler"
    return {"class": shared, "formatter": "json", "filename": filename, "kept": kept}


def log_thread_fault(fault: threading.ExceptHookArgs) -> None:
    """A `threading.excepthook` that writes a thread's exception to the log."""
    if fault.exc_value and fault.exc_type is not SystemExit:
        exc_info = (fault.exc_type, fault.exc_value, fault.exc_traceback)
        logging.getLogger("memo.thread").error("a thread ended", exc_info=exc_info)


def has_exception(record: logging.LogRecord) -> bool:
    return record.exc_info is not None


def configuration(
    service: str, level: str, debug: bool, log_file: str = "", audit_log: str = ""
) -> dict[str, Any]:
    """Django's LOGGING: all records go to stderr, or to the file `log_file`, as JSON.

    Audit events also go to the file `audit_log`, if named. A flood of requests cannot
    push them out there, and commands, whose stderr is a terminal, write to it too.
    Raises ImproperlyConfigured for an unknown level.
    """
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"LOG_LEVEL={level} is not a level, such as INFO.")
    logging.captureWarnings(True)
    threading.excepthook = log_thread_fault
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": JSONFormatter,
                "service": service,
                "messages_of_exceptions": debug,
            }
        },
        "filters": {
            # Drops Django's own line for an answer of 503, which has no request id.
            "exceptions": {"()": CallbackFilter, "callback": has_exception}
        },
        "handlers": {
            "log": handler(log_file, OLDER_LOGS),
            **({"audit": handler(audit_log, OLDER_AUDIT_LOGS)} if audit_log else {}),
        },
        "root": {"handlers": ["log"], "level": level},
        "loggers": {
            # Always written, whatever LOG_LEVEL says.
            "memo.audit": {"handlers": ["audit"] if audit_log else [], "level": "INFO"},
            # Django's own handlers would print each line again, in another format.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Answers are in the access log, with the route and not the raw path.
            "django.request": {"level": "ERROR", "filters": ["exceptions"]},
            "django.security": {"level": "ERROR"},
            # At DEBUG these print queries, headers and keys. Never.
            "django.db.backends": {"level": "INFO"},
            "urllib3": {"level": "WARNING"},
            "psycopg": {"level": "ERROR"},
        },
    }
