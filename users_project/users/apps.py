from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        """Stop at once where a setting is too weak, and not at the first password."""
        from django.contrib.auth.hashers import get_hashers
        from django.contrib.auth.password_validation import (
            get_default_password_validators,
        )

        get_hashers()
        get_default_password_validators()
