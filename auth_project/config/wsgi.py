"""The WSGI application, and the sweep that goes with every worker."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# Imported by each gunicorn worker after the fork (there is no preload), and by
# runserver: so every process that serves has one sweep.
from tokens.sweep import start_sweep  # noqa: E402

start_sweep()
