"""The pages of the admin, as a browser fills them in."""

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from tests.factories import NEW, PASSWORD
from users.admin.versions import version_of

LIST = "/admin/users/user/"
ADD = f"{LIST}add/"
OWN_PASSWORD_PAGE = "/admin/password_change/"
NEW_PASSWORD = {"usable_password": "true", "password1": NEW, "password2": NEW}
NEW_USER = {"email": "New@example.org", "username": "new", **NEW_PASSWORD}
OWN_PASSWORD = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}


def browser_of(user):
    """Logged in."""
    client = Client()
    client.force_login(user)
    return client


def url(name, *args):
    return reverse(f"admin:{name}", args=args)


def change_url(user):
    return url("users_user_change", user.pk)


def password_url(user):
    return url("auth_user_password_change", user.pk)


def fields(user, **changed):
    """What the change form of a user sends; checkboxes only where they are ticked."""
    names = ("email", "username", "first_name", "last_name", "display_name")
    form = {name: getattr(user, name) for name in names} | {"avatar_url": ""}
    form["version"] = version_of(type(user).objects.get(pk=user.pk))
    ticks = ("is_active", "is_staff", "is_superuser")
    form |= {name: "on" for name in ticks if getattr(user, name)}
    return {name: text for name, text in (form | changed).items() if text is not None}


def new_password(user, **changed):
    """What the form of a user's password sends."""
    version = version_of(type(user).objects.get(pk=user.pk))
    return {**NEW_PASSWORD, "version": version, **changed}


def errors(response):
    """What the form says, or nothing where it was saved."""
    if response.status_code == 302:
        return ""
    form = response.context.get("form") or response.context["adminform"].form
    return " ".join(text for texts in form.errors.values() for text in texts)


def act(client, action, *users):
    """The messages after an action of the list, and the click that confirms it."""
    return said(ask(client, action, *users, confirmed="yes"))


def said(response):
    return [str(each) for each in get_messages(response.wsgi_request)]


def ask(client, action, *users, query="", **more):
    """Choose an action for these users in the list; the page that asks."""
    body = {"action": action, "_selected_action": [str(user.pk) for user in users]}
    return client.post(LIST + query, body | more)
