"""The texts of the account pages, before the button is pressed and after."""

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from users.accounts.models import Purpose

REQUEST = "request"  # the page that requests a mail, the only one without a link


class Texts(NamedTuple):
    """`intro` may contain `%(address)s`, the address of the link. `done` and `outro`
    are the title and text of the page after the button."""

    title: Any
    intro: Any
    button: Any
    done: Any
    outro: Any


TEXTS: dict[str, Texts] = {
    Purpose.REGISTER: Texts(
        title=_("Finish your registration"),
        intro=_(
            "Choose a password for a new account with the address %(address)s. If you "
            "have not asked for one, close the page."
        ),
        button=_("Create the account"),
        done=_("Your account is ready"),
        outro=_("You can log in now, with your e-mail address or your username."),
    ),
    Purpose.VERIFY: Texts(
        title=_("Confirm your e-mail address"),
        intro=_(
            "Enter the password of your account to confirm that %(address)s is yours. "
            "If you have not made this account, close the page and enter no password."
        ),
        button=_("Confirm the address"),
        done=_("Your e-mail address is confirmed"),
        outro=_("You have nothing more to do."),
    ),
    Purpose.RESET: Texts(
        title=_("Choose a new password"),
        intro=_("It is for the account of %(address)s, and ends all of its sessions."),
        button=_("Set the password"),
        done=_("Your password is changed"),
        outro=_("All sessions have ended. Log in with the new password."),
    ),
    Purpose.CHANGE_EMAIL: Texts(
        title=_("Confirm your new e-mail address"),
        intro=_(
            "Enter the password of your account, and %(address)s is its address. "
            "If you have not asked for this, close the page and enter no password."
        ),
        button=_("Confirm the address"),
        done=_("Your e-mail address has changed"),
        outro=_("From now on, log in with the new address."),
    ),
    Purpose.UNDO_EMAIL: Texts(
        title=_("Undo the change of your e-mail address"),
        intro=_(
            "Your account gets the address %(address)s back. All sessions end, the "
            "password no longer works, and a mail brings a link to choose another."
        ),
        button=_("Undo the change"),
        done=_("The change is undone"),
        outro=_("Look into your mailbox for the link to choose a new password."),
    ),
    Purpose.RESTORE: Texts(
        title=_("Restore your account"),
        intro=_(
            "The account of %(address)s was deleted. Until it is erased, you can have "
            "it back as it was."
        ),
        button=_("Restore the account"),
        done=_("Your account is restored"),
        outro=_("Log in as before."),
    ),
    Purpose.ENROL: Texts(
        title=_("Set up a second factor"),
        intro=_(
            "The account of %(address)s needs a second factor: an app that shows "
            "codes, or a passkey. Enter the password of the account."
        ),
        button=_("Continue"),
        done=_("Your recovery codes"),
        outro=_(
            "Your second factor is set up. If you lose it, each of these codes works "
            "once in its place. Keep them in a safe place: they are not shown again. "
            "Now you can log in."
        ),
    ),
    Purpose.KEEP_FACTORS: Texts(
        title=_("Keep your second factors"),
        intro=_(
            "An operator was asked to remove all second factors from the account of "
            "%(address)s. If you have not lost them, keep them."
        ),
        button=_("Keep the second factors"),
        done=_("Your second factors are kept"),
        outro=_("If you have not asked for it, choose a new password, too."),
    ),
    REQUEST: Texts(
        title=_("Forgot your password?"),
        intro=_(
            "Enter the e-mail address of your account. A mail brings a link to choose "
            "a new password."
        ),
        button=_("Send the mail"),
        done=_("Look into your mailbox"),
        outro=_(
            "If there is an account with this address, a mail with a link is on its "
            "way. The link works for 30 minutes."
        ),
    ),
}
