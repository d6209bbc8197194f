from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        """Stop at once if a setting is too weak, and not at the first password."""
        from django.contrib.auth import hashers, password_validation
        from django.contrib.postgres.signals import register_type_handlers
        from django.db.backends.signals import connection_created

        # For hstore and citext, which no column has, it takes 9 µs of every request.
        connection_created.disconnect(register_type_handlers)
        hashers.get_hashers()
        password_validation.get_default_password_validators()
