from typing import Any

from django.contrib.auth.management.commands import changepassword

from users.management.base import find


class Command(changepassword.Command):
    help = "Change the password of a user (e-mail, username or id); ends all sessions."

    def handle(self, *args: Any, **options: Any) -> Any:
        if options["username"]:
            # Django's command finds only the address as it was written at registration.
            options["username"] = find(options["username"]).email
        return super().handle(*args, **options)
