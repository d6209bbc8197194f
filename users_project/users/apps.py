from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        """Stop at once if a setting is too weak, and not at the first password."""
        from django.contrib.auth import hashers, password_validation

        hashers.get_hashers()
        password_validation.get_default_password_validators()
