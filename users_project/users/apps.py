from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        """Stop at the start, not at the first password, if a setting is too weak."""
        from django.contrib.auth import hashers, password_validation
        from django.contrib.postgres.signals import register_type_handlers
        from django.db.backends.signals import connection_created

        # It is for hstore and citext, which no column has, and costs 9 µs a request.
        connection_created.disconnect(register_type_handlers)
        hashers.get_hashers()
        password_validation.get_default_password_validators()
