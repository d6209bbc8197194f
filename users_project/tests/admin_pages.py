"""The pages of the admin, as a browser fills them in."""

from django.contrib.messages import get_messages
from django.urls import reverse

from tests.factories import PASSWORD

LIST = "/admin/users/user/"
ADD = f"{LIST}add/"
NEW_PASSWORD = "a newer horse battery"


def change_url(user):
    return reverse("admin:users_user_change", args=[user.pk])


def password_url(user):
    return reverse("admin:auth_user_password_change", args=[user.pk])


def fields(user, **changed):
    """What the change form of a user sends; checkboxes only where they are ticked."""
    names = ("email", "username", "first_name", "last_name", "display_name")
    form = {name: getattr(user, name) for name in names} | {"avatar_url": ""}
    ticks = ("is_active", "is_staff", "is_superuser")
    form |= {name: "on" for name in ticks if getattr(user, name)}
    return {name: text for name, text in (form | changed).items() if text is not None}


def messages(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def new(**changed):
    return {
        "email": "New@example.org",
        "username": "new",
        "usable_password": "true",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
    } | changed


def log_in(client, email, password=PASSWORD):
    body = {"username": email, "password": password, "next": "/admin/"}
    return client.post("/admin/login/", body)


def act(client, action, *users):
    body = {"action": action, "_selected_action": [str(user.pk) for user in users]}
    return client.post(LIST, body)
