"""Commands of Django's that mean nothing where no people live."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("createsuperuser", {"interactive": False, "username": "x", "email": "x@y.z"}),
        ("changepassword", {"username": "x"}),
    ],
)
def test_people_are_not_made_or_changed_here(command, options, capsys):
    call_command(command, **options)
    assert "User Service" in capsys.readouterr().out
    assert not get_user_model().objects.exists()
