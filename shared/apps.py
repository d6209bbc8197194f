from django.apps import AppConfig


class SharedConfig(AppConfig):
    """What every service installs. No models."""

    name = "shared"
    label = "memo_shared"

    def ready(self) -> None:
        from shared import checks  # noqa: F401 - registers the system checks
