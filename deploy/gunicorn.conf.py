"""gunicorn, the same for every service. What differs is in the environment."""

import gc
import os

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from shared import metrics_folder
from shared.structured_logging import OLDER_LOGS, handler

# Workers count in files: before the application is loaded, which makes the metrics.
os.environ.setdefault(metrics_folder.VARIABLE, "")

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))


class Worker(ThreadWorker):
    """Ends in good order where its master was killed, too."""

    def is_parent_alive(self):
        """Without one, each answer ends its connection. gunicorn alone keeps them, and
        cuts the requests in hand when its time to stop is over."""
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
# The most that the gateway passes: it joins cookies into one header.
limit_request_field_size = 4 * 8192

# It would let any program that finds it in the home folder stop gunicorn.
control_socket_disable = True
worker_tmp_dir = os.environ.get("WORKER_TMP_DIR", "/dev/shm")  # noqa: S108
umask = 0o077
LOG_FILE = os.environ.get("LOG_FILE", "")


def on_starting(server):
    """Before it listens: refuse an unsafe production (OPS-01)."""
    from django.conf import settings

    from shared.checks import refuse_unsafe

    # An option on gunicorn's command line counts more than the setting.
    settings.FORWARDED_ALLOW_IPS = ",".join(server.cfg.forwarded_allow_ips)
    refuse_unsafe()


def when_ready(server):
    """Before the first fork: load the routes too, and keep the collector from writing
    into pages that all workers share."""
    from django.urls import get_resolver

    get_resolver().url_patterns  # noqa: B018 - read once, kept
    _audit("sys_startup")
    gc.collect()
    gc.freeze()


def on_exit(server):
    """The master's last act, after its workers have ended."""
    _audit("sys_shutdown")


def _audit(event):
    """Not loaded with this file, which is read before the application is."""
    from shared.structured_logging import audit

    audit(event, workers=workers, threads=threads)


def pre_fork(server, worker):
    """What no logger writes, such as the end of a Python that crashed, goes to the log
    as it is now: it may have been rotated."""
    if LOG_FILE:
        new = os.open(LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(new, 1)
        os.dup2(new, 2)
        os.close(new)
    worker.slot = metrics_folder.reserve()


def post_fork(server, worker):
    """Count in a file of its own."""
    metrics_folder.use(worker.slot)


def child_exit(server, worker):
    """The next worker continues that file."""
    metrics_folder.give_back(worker.slot)


def post_worker_init(worker):
    """Start the threads that a service needs next to its requests."""
    getattr(worker.wsgi, "begin", lambda: None)()


class NoAccessLog(Logger):
    """Access is logged by the application, as JSON and with the route; gunicorn's own
    format has the query string in it. With a `logconfig_dict` it would put a line
    together for every request, for a logger without a listener."""

    def access(self, *args, **kwargs):
        pass


logger_class = NoAccessLog
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
        # It drops the body of an answer to HEAD, and would warn of each.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
