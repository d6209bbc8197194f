from typing import Any

from django.contrib.auth.management.commands import changepassword

from users.management.base import find


class Command(changepassword.Command):
    help = "Change the password of a user (e-mail, username or id); ends all sessions."

    def handle(self, *args: Any, **options: Any) -> Any:
        if options["username"]:
            # Django's command finds an address only in the letter case that is stored.
            options["username"] = find(options["username"]).email
        return super().handle(*args, **options)
