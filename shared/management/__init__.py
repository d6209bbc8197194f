"""Django's command line, as every service has it."""

import sys

from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError


def execute(words: list[str]) -> None:
    """One line and no traceback where a database or Redis does not answer."""
    try:
        execute_from_command_line(words)
    except (OperationalError, InterfaceError, RedisError) as exc:
        if "--traceback" in words:
            raise
        sys.exit(f"CommandError: No answer of a store: {' '.join(str(exc).split())}")
