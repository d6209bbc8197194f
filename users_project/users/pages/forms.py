"""The forms of the account pages, and the services that they call."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ValidationError

from shared.api.exceptions import (
    AccountExists,
    InvalidCredentials,
    SecondFactorInvalid,
    UsernameTaken,
)
from users import validators
from users.accounts import change_email, deletion, requests, reset, verification
from users.accounts.models import Link, Purpose
from users.accounts.proofs import Proof
from users.factors import resets
from users.limits.guess_limits import Client
from users.passwords import MAX_LENGTH

# For each error of a service, the field that it is about and the text to show.
REFUSALS: dict[type[APIException], tuple[str | None, Any]] = {
    InvalidCredentials: ("password", _("This is not the password of the account.")),
    SecondFactorInvalid: (
        "code",
        _("It is wrong or was used already. Wait for the next code."),
    ),
    UsernameTaken: ("username", _("The username is taken. Choose another.")),
    AccountExists: (None, _("Another account has this e-mail address by now.")),
}
REFUSED: tuple[type[APIException], ...] = (ValidationError, *REFUSALS)
PASSWORD_HELP = format_lazy(
    _(
        "At least {least} characters: several words that do not belong together, or "
        "what a password manager makes."
    ),
    least=settings.PASSWORD_MIN_LENGTH,
)


def name_field(label: Any, autocomplete: str, **kwargs: Any) -> forms.CharField:
    attrs = {"autocomplete": autocomplete, "autocapitalize": "none"}
    attrs |= {"spellcheck": "false"}
    widget = kwargs.pop("widget", forms.TextInput)(attrs)
    return forms.CharField(label=label, widget=widget, **kwargs)


def password_field(label: Any, autocomplete: str, **kwargs: Any) -> forms.CharField:
    """Keeps spaces. It has no `maxlength`: browsers would cut a password silently."""
    return forms.CharField(
        label=label,
        strip=False,
        validators=[MaxLengthValidator(MAX_LENGTH)],
        widget=forms.PasswordInput({"autocomplete": autocomplete}),
        **kwargs,
    )


class AccountForm(forms.Form):
    """A form whose service may refuse the input. `link` is the link of its page."""

    link: Link

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""

    def submit(self, client: Client) -> Any:
        """Call the service. Raises the service's exceptions."""
        raise NotImplementedError

    def refuse(self, exc: APIException) -> None:
        """Show the service's error next to the field that it is about."""
        if isinstance(exc, ValidationError):
            for field, errors in exc.detail.items():  # type: ignore[union-attr]
                self.add_error(field, list(errors))
        else:
            self.add_error(*REFUSALS[type(exc)])

    def focus_error(self) -> None:
        """Set the focus to the first field with an error."""
        for field in self.visible_fields():
            if field.errors:
                field.field.widget.attrs["autofocus"] = True
                return


class RequestForm(AccountForm):
    email = name_field(
        _("E-mail address"),
        "email",
        widget=forms.EmailInput,
        max_length=254,
        validators=[validators.validate_email],
    )

    def submit(self, client: Client) -> None:
        requests.ask(requests.Kind.RESET, self.cleaned_data["email"], client)


class LinkForm(AccountForm):
    """Sends the link's token in the body, since URLs end up in histories and logs. The
    fields have the names of the service's parameters."""

    token = forms.CharField(widget=forms.HiddenInput)

    def submit(self, client: Client) -> Any:
        entered = {**self.cleaned_data, "client": client}
        if "password" in entered:
            entered["proof"] = Proof(entered.pop("password"))
        return PAGES[self.link.purpose].service(**entered)


class RegistrationForm(LinkForm):
    username = name_field(
        _("Username"), "username", max_length=50, validators=validators.NEW_USERNAME
    )
    password = password_field(_("Password"), "new-password", help_text=PASSWORD_HELP)


class PasswordForm(LinkForm):
    """Asks for the password of the account, too."""

    password = password_field(_("Password"), "current-password")


class ResetForm(LinkForm):
    new_password = password_field(
        _("New password"), "new-password", help_text=PASSWORD_HELP
    )


class LinkPage(NamedTuple):
    """The form of a link's page, and the service that its button calls."""

    form: type[LinkForm]
    service: Callable[..., None]


PAGES: dict[str, LinkPage] = {
    Purpose.REGISTER: LinkPage(RegistrationForm, verification.confirm),
    Purpose.VERIFY: LinkPage(PasswordForm, verification.confirm),
    Purpose.RESET: LinkPage(ResetForm, reset.confirm),
    Purpose.CHANGE_EMAIL: LinkPage(PasswordForm, change_email.confirm),
    Purpose.UNDO_EMAIL: LinkPage(LinkForm, change_email.undo),
    Purpose.RESTORE: LinkPage(LinkForm, deletion.restore_by_link),
    Purpose.KEEP_FACTORS: LinkPage(LinkForm, resets.cancel_by_link),
}
