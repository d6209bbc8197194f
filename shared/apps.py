from django.apps import AppConfig


class SharedConfig(AppConfig):
    """What every service installs. No models."""

    name = "shared"
    label = "memo_shared"

    def ready(self) -> None:
        """Refuse an insecure production, now that all settings are there."""
        from django.conf import settings

        from shared import checks  # noqa: F401 - registers the system checks
        from shared.production import refuse_unsafe

        refuse_unsafe(settings)
