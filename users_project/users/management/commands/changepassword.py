import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from shared.structured_logging import audit
from users.management.base import find


class Command(changepassword.Command):
    help = "Change the password of a user (e-mail, username or id); ends all sessions."

    def handle(self, *args: Any, **options: Any) -> Any:
        if options["username"]:
            # Django's looks for the address as it was written at registration.
            options["username"] = find(options["username"]).email
        done = super().handle(*args, **options)
        user = find(options["username"] or getpass.getuser())
        audit("authn_password_change", user_id=str(user.pk), by="operator")
        return done
