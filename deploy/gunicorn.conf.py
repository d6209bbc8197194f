"""gunicorn, the same for every service. What differs is in the environment."""

import gc
import math
import os
import resource
from contextlib import suppress

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from shared import metrics_folder
from shared.structured_logging import OLDER_LOGS, handler

# Set before the application makes its metrics: with workers, they need a folder.
os.environ.setdefault(metrics_folder.VARIABLE, "")

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))

# A worker ends if it accepts a connection and has no file descriptor left. A thread
# opens up to five: its own and the wait for a request, PostgreSQL, Redis, and the other
# service. 64 are for logs, counters and what the worker listens on.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
files = max(soft, min(hard, 65_536))
resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
worker_connections = max(min(1000, files - 5 * threads - 64), 2 * threads)


class Worker(ThreadWorker):
    """A worker that ends in good order even if its master was killed."""

    def is_parent_alive(self):
        """Without a parent, each answer ends its connection. gunicorn itself would keep
        connections, and cut requests in flight when its time to stop is over."""
        has_parent = super().is_parent_alive()
        if not has_parent:
            self.alive = False
        return has_parent


worker_class = Worker
# Loaded once and forked: workers share the memory of the code and start at once. So
# loading must not start a thread or open a connection.
preload_app = True

# Longer than Nginx keeps an idle connection (60 s). Otherwise it may send a POST, which
# cannot be repeated, into a connection that is closing.
keepalive = 75
timeout = 30
graceful_timeout = 25
max_requests = 20_000
max_requests_jitter = 2_000

# The gateway's address. Never "*": a trusted address may rewrite the path.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
limit_request_line = 4094
limit_request_fields = 64
# More than the gateway passes: it joins cookies, of 1 KiB and four times 8, into one.
limit_request_field_size = 5 * 8192

# Any program that finds the control socket in the home folder could stop gunicorn.
control_socket_disable = True
worker_tmp_dir = os.environ.get("WORKER_TMP_DIR", "/dev/shm")  # noqa: S108
umask = 0o077
LOG_FILE = os.environ.get("LOG_FILE", "")


def on_starting(server):
    """Before it listens: refuse an unsafe production (OPS-01)."""
    import django
    from django.conf import settings

    from shared.checks import refuse_unsafe

    django.setup(set_prefix=False)  # without preload_app, nothing has called it yet
    # An option on gunicorn's command line overrides the setting.
    settings.FORWARDED_ALLOW_IPS = ",".join(server.cfg.forwarded_allow_ips)
    refuse_unsafe()


def when_ready(server):
    """Before the first fork: load the routes too, and keep the collector from writing
    into pages that all workers share."""
    from django.urls import get_resolver

    get_resolver().url_patterns  # noqa: B018 - read once, kept
    _audit("sys_startup", server)
    gc.collect()
    gc.freeze()


def on_exit(server):
    """The master's last act, after its workers have ended."""
    _audit("sys_shutdown", server)


def _audit(event, server):
    """Record an event of this server. Natively WEB_CONCURRENCY is that of two."""
    from shared.structured_logging import audit

    audit(event, workers=server.cfg.workers, threads=threads)


def pre_fork(server, worker):
    """Reopen the log, which may have been rotated, as stdout and stderr: they get the
    text that no logger writes, such as the last words of a Python that crashed. A log
    that cannot be opened stays as it is: an exception here would end gunicorn."""
    if LOG_FILE:
        with suppress(OSError):
            new = os.open(LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(new, 1)
            os.dup2(new, 2)
            os.close(new)
    worker.slot = metrics_folder.reserve()


def post_fork(server, worker):
    """Let the worker count in files of its own."""
    metrics_folder.use(worker.slot)


def child_exit(server, worker):
    """Free the worker's files. The next worker continues them."""
    metrics_folder.give_back(worker.slot)


def pre_request(worker, req):
    """Let the answer to a large body end its connection. A shorter one that no view has
    read, gunicorn reads itself. After a large one it would close a connection that its
    answer keeps, and the next request would be lost (GW-08)."""
    # A chunked body has no length.
    if getattr(req.body.reader, "length", math.inf) >= 64 * 1024:
        req.force_close()


def post_worker_init(worker):
    """Start the threads that a service needs next to its requests."""
    getattr(worker.wsgi, "begin", lambda: None)()


class ErrorLog(Logger):
    """gunicorn's log without texts of requests, which may contain tokens.

    The application logs access, as JSON and with the route; gunicorn's own format
    contains the query string. With a `logconfig_dict`, gunicorn would format a line for
    every request, for a logger without a handler.
    """

    def access(self, *args, **kwargs):
        pass

    def warning(self, msg, *args, **kwargs):
        """Of an invalid request only the address and the kind of fault."""
        if msg.startswith("Invalid request from "):
            msg = ": ".join(msg.split(": ")[:2])
        super().warning(msg, *args, **kwargs)


logger_class = ErrorLog
accesslog = None
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "shared.structured_logging.JSONFormatter",
            "service": "gunicorn",
        },
    },
    "handlers": {"log": handler(LOG_FILE, OLDER_LOGS)},
    "root": {"handlers": ["log"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["log"], "level": "INFO", "propagate": False},
        "gunicorn.access": {"handlers": [], "propagate": False},
        # It would warn of every answer to HEAD, whose body it drops.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
