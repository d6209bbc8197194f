from django.apps import AppConfig


class SharedConfig(AppConfig):
    """What every service installs. No models."""

    name = "shared"
    label = "memo_shared"

    def ready(self) -> None:
        """Refuse an insecure production, now that all settings are there."""
        from shared.checks import refuse_unsafe
        from shared.checks.messages import SETTINGS

        refuse_unsafe(SETTINGS)
