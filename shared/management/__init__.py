"""Django's command line, as every service has it."""

import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError
from redis.exceptions import RedisError


def execute(words: list[str]) -> None:
    """Run a command. If PostgreSQL or Redis fails, it ends with one line and exit
    status 1; with `--traceback`, the exception is raised."""
    try:
        execute_from_command_line(words)
    except (OperationalError, RedisError) as exc:
        if "--traceback" in words:
            raise
        text = " ".join(str(exc).split())
        sys.exit(f"CommandError: PostgreSQL or Redis failed: {text}")
