"""Requests for mails with a link, by an address that somebody typed."""

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from users.accounts import link_mails, links
from users.accounts.models import LINK_KINDS, AddressRequest, Purpose, Registration
from users.events.log import record
from users.limits.guess_limits import Client, counted
from users.mail.daily_limit import has_room
from users.mail.models import Kind as MailKind
from users.models import User
from users.validators import normalize_identifier

Kind = AddressRequest.Kind
MAILS = {Kind.RESET: MailKind.RESET, Kind.RESEND: MailKind.VERIFY}


def ask(kind: Kind, address: str, client: Client) -> None:
    """Have a link mailed to this address: `Kind.RESET` for another password,
    `Kind.RESEND` for verifying the address. Raises RateLimited.

    The worker looks for an account of the address, so that neither the answer nor its
    time reveals whether there is one.
    """
    with counted(client), transaction.atomic():
        row = AddressRequest.objects.create(kind=kind, address=address)
        app.configure_task("handle_request").defer(request_id=row.pk)


def handle(request_id: int) -> None:
    """The worker's part: mail the link if the address has an account or a registration,
    and has not had its ten mails. Deletes the request in the same transaction, so a
    second run does nothing."""
    with transaction.atomic():
        rows = AddressRequest.objects.select_for_update()
        request = rows.filter(pk=request_id).first()
        if request is None:
            return
        request.delete()
        kind = Kind(request.kind)
        user = User.objects.get_by_identifier(email=request.address)
        if user is None:
            if kind == Kind.RESEND:
                resend_registration(request.address)
        elif user.is_present and has_room(MAILS[kind], user.email, user):
            send_link(kind, user)


def send_link(kind: Kind, user: User) -> None:
    """Mail the link that was asked for; no link to verify a verified address."""
    if kind == Kind.RESET:
        link_mails.send(Purpose.RESET, user)
        record("password_reset_requested", user.pk)
    elif not user.email_verified:
        link_mails.send(Purpose.VERIFY, user)


def resend_registration(address: str) -> None:
    """Mail another link for the last live registration of this address, if any, unless
    a user can still take the address back."""
    address = normalize_identifier(address)
    begin = timezone.now() - LINK_KINDS[Purpose.REGISTER].lifetime
    found = Registration.objects.filter(email_canonical=address, created_at__gt=begin)
    last = found.order_by("created_at").last()
    if last and not links.is_held(address) and has_room(MailKind.REGISTER, address):
        link_mails.send(Purpose.REGISTER, last)
