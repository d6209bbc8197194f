from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate


class SharedConfig(AppConfig):
    """The app that every service installs. It has no models."""

    name = "shared"
    label = "memo_shared"

    def __init__(self, *args: Any) -> None:
        """Refuse to start without settings, before any model is loaded."""
        super().__init__(*args)
        if settings.MISSING_SETTINGS:
            names = ", ".join(dict.fromkeys(settings.MISSING_SETTINGS))
            raise ImproperlyConfigured(f"These settings are missing: {names}.")

    def ready(self) -> None:
        """Refuse unsafe settings in production, now that all of them are loaded."""
        from shared.checks import refuse_unsafe
        from shared.checks.messages import SETTINGS
        from shared.db.rights import limit_rights

        refuse_unsafe(SETTINGS)
        post_migrate.connect(limit_rights)
