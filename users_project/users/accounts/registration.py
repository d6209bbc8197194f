"""Registration of accounts, by the setting EMAIL_VERIFICATION.

`off`, `optional`: the account is made at once; `optional` mails a link that verifies
the address. `required`: the mailed link makes the account, and asks for its password.
So an attacker who registers a stranger's address gains nothing if the stranger clicks.
"""

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from shared.api.exceptions import AccountExists, LinkInvalid, UsernameTaken
from shared.structured_logging import audit
from users import passwords
from users.accounts import link_mails, links
from users.accounts.models import Link, Purpose, Registration
from users.accounts.names import unique_names
from users.accounts.proofs import required
from users.db.statements import ADD_REGISTRATION
from users.events.log import record
from users.limits.guess_limits import Client, counted
from users.mail.daily_limit import has_room
from users.mail.models import Kind, Mail
from users.mail.outbox import queue
from users.models import User
from users.validators import normalize_identifier

PROFILE = ("first_name", "last_name", "display_name", "avatar_url")
LIMIT = "REGISTRATION_LIMIT_ADDRESS"


def register(fields: dict[str, Any], client: Client) -> User:
    """Create a user at once (`off`, `optional`). `fields` are names, locale and
    password. Raises AccountExists, RateLimited or Overloaded."""
    with counted(client, LIMIT):
        user = new_user(**fields)
        with transaction.atomic():
            try:
                insert(user)
            except UsernameTaken:
                raise AccountExists from None  # does not reveal which one is taken
            if settings.EMAIL_VERIFICATION == "optional":
                link_mails.send(Purpose.VERIFY, user)
    return user


def request(fields: dict[str, Any], client: Client) -> None:
    """Have a link mailed that makes the account (`required`). Ignores a password.

    The worker checks whether the address is taken, so that neither the answer nor its
    time reveals it. Raises UsernameTaken or RateLimited.
    """
    columns = dict.fromkeys(PROFILE, "") | fields | {"id": uuid4()}
    for name in ("email", "username"):
        columns[f"{name}_canonical"] = normalize_identifier(fields[name])
    with counted(client, LIMIT), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ADD_REGISTRATION, columns)
            if not cursor.rowcount:
                raise UsernameTaken
        job = app.configure_task("handle_registration")
        job.defer(registration_id=str(columns["id"]))
    audit("registration_requested", ip=client.ip)  # no row: strangers could fill it


def handle(registration_id: UUID) -> None:
    """The worker's part: mail the link, or that there is an account. Delete the
    registration without a link, as after ten mails to the address. May run twice."""
    with transaction.atomic():
        # Locked before its links are read: the job may run twice at once.
        rows = Registration.objects.select_for_update()
        registration = rows.filter(pk=registration_id).first()
        if registration is None or registration.links.exists():
            return
        if not has_room(Kind.REGISTER, registration.email):
            registration.delete()
            return
        user = User.objects.get_by_identifier(email=registration.email)
        if user is None and not links.is_held(registration.email_canonical):
            link_mails.send(Purpose.REGISTER, registration)
            return
        registration.delete()
        if user and user.is_present:
            queue(Kind.ALREADY_REGISTERED, user.email, locale=user.locale, user=user)


def finish(link: Link, password: str, username: str = "") -> User:
    """Create the user of the link with this password, and with `username` if it is
    given.

    Raises ValidationError, UsernameTaken or Overloaded: the link stays good. Raises
    LinkInvalid, also if the address has an account by now.
    """
    if not password:
        raise required("password")
    registration = link.registration
    assert registration is not None
    names = {
        name: getattr(registration, name) for name in ("email", "locale", *PROFILE)
    }
    names["username"] = username or registration.username
    passwords.check("password", password, User(**names))
    user = new_user(password=password, email_verified_at=timezone.now(), **names)
    with transaction.atomic():
        links.use(link)
        try:
            insert(user)
        except AccountExists:
            raise LinkInvalid from None
        # Its mails go with the account, also after another change of address.
        mails = Mail.objects.filter(user=None, address_canonical=user.email_canonical)
        mails.update(user=user)
        record("email_verified", user.pk)
    return user


def new_user(password: str, **fields: Any) -> User:
    """A user that is not stored yet. Hashing takes long, so before the transaction."""
    user = User(**fields)
    user.set_password(password)
    user.roles = []
    return user


def insert(user: User) -> None:
    """Store the new user. Raises AccountExists or UsernameTaken."""
    with unique_names(user):
        user.save()
    record("user_created", user.pk)
