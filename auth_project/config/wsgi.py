"""The WSGI application, and the sweep that runs in every process that serves it."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from shared.wsgi import Handler  # noqa: E402
from tokens.sweep import start_sweep  # noqa: E402


class Application(Handler):
    """As in every service, plus the sweep. gunicorn loads the module once and forks,
    which no thread survives, so each worker starts the sweep (gunicorn.conf.py). With
    other servers the first request does.
    """

    # Ends of sessions that are over for others already: no caller repeats a push, and
    # a page that logs out may leave.
    done_late = ("/api/v1/auth/logout", "/api/v1/auth/sessions/revoke")
    begun = False

    def begin(self) -> None:
        """Start the sweep, once in a process."""
        self.begun, begun = True, self.begun
        if not begun:
            start_sweep()

    def __call__(self, *args: Any) -> Any:
        self.begin()
        return super().__call__(*args)


application = Application()
