"""Sessions of `requests` for calls between services."""

from typing import Any

import requests
from django.conf import settings

from shared.http.deadline import DeadlineAdapter


def new_session(**options: Any) -> requests.Session:
    """A session, with these options of its adapter."""
    session = requests.Session()
    session.trust_env = False  # no proxy, no .netrc, no other certificates
    session.verify = settings.REQUESTS_CA_BUNDLE or True
    adapter = DeadlineAdapter(**options)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session
