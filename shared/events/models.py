"""Events of accounts, in rows that the service can add but not change.

A service has two tables: one of events, and one of their personal data, which is
deleted earlier. The statement that an event reports writes the event, or is in the same
transaction: what cannot be recorded does not happen.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.db import models

from shared.api.client_ip import client_address, network, user_agent
from shared.structured_logging import current, request_id

NETWORK_BITS = (24, 48)  # of an address: of IPv4, of IPv6
# Events whose outcome is `failure` by default.
FAILURES = frozenset(
    (
        "authn_factor_fail",
        "authn_login_fail",
        "authn_login_fail_max",
        "authn_password_change_fail",
        "authn_password_check_fail",
        "authn_token_reuse",
        "email_change_fail",
        "mail_failed",
    )
)
# Fields that are in the log and never in `data`: personal, or in columns of their own.
LINE_ALONE = frozenset(
    ("ip", "user_agent", "sid", "outcome", "by", "login", "was", "why")
)


class AppendOnly(models.Model):
    """A table that the application may only read and add to (`shared.db.rights`)."""

    class Meta:
        abstract = True


class EventModel(AppendOnly):
    """An event of the catalogue in docs/operations/logging.md."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    event = models.CharField(max_length=40)
    user_id = models.UUIDField(null=True, help_text="The account it is about.")
    actor = models.CharField(
        max_length=64, help_text="user, operator:<id>, service:<name> or system."
    )
    sid = models.UUIDField(null=True, help_text="The session it is about.")
    request_id = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    data = models.JSONField(
        default=dict, help_text="A closed set of keys by event; nothing personal."
    )

    class Meta:
        abstract = True
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=["user_id", "-at", "-id"], name="%(class)s_of_user"),
            models.Index(fields=["event", "-at", "-id"], name="%(class)s_of_kind"),
            models.Index(fields=["-at", "-id"], name="%(class)s_newest"),
            # Few rows, for the erasure of an operator.
            models.Index(
                fields=["actor"],
                name="%(class)s_of_operator",
                condition=models.Q(actor__startswith="operator:"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class PersonalModel(AppendOnly):
    """The network and user agent of an event. The event's key is the row's, without a
    constraint: one statement writes both, and functions of the owner delete them."""

    event = models.OneToOneField(
        "Event",
        models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="personal",
    )
    at = models.DateTimeField(db_index=True)
    network = models.CharField(max_length=43)
    user_agent = models.CharField(max_length=256)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"personal part of event {self.pk}"


def recording(table: str, rows: str) -> str:
    """Two CTEs that write an event for every row of the SELECT `rows`: event, user_id,
    sid, outcome, data. `origin` gives the parameters."""
    return f"""event AS (
    INSERT INTO {table} (event, user_id, sid, outcome, data, at, actor, request_id)
    SELECT deed.*, clock_timestamp(), %(actor)s::text, %(request_id)s::text
    FROM ({rows}) AS deed
    RETURNING id, at
), personal AS (
    INSERT INTO {table}personal (event_id, at, network, user_agent)
    SELECT id, at, %(network)s::text, %(agent)s::text
    FROM event
    WHERE %(network)s::text || %(agent)s::text <> ''
)"""  # noqa: S608 (constants alone)


def origin(ip: str | None = None, agent: str = "") -> dict[str, Any]:
    """The parameters of `recording`: actor, request and origin. If a service acts for
    its client and passes the client's address as `ip`, the actor is the user."""
    request = current.get()
    who = actor(request)
    if ip is not None and who.startswith("service:"):
        who = "user"
    elif request is not None and who[:8] != "service:":
        ip, agent = client_address(request), user_agent(request)
    return {
        "actor": who,
        "request_id": request_id.get(),
        "network": network(ip, *NETWORK_BITS) if ip else "",
        "agent": agent,
    }


def actor(request: Any) -> str:
    """The actor of an event; `system` outside of requests (commands and jobs)."""
    if request is None:
        return "system"
    caller = getattr(request, "caller", None) or ""
    if request.path_info.startswith("/admin") and caller:
        return f"operator:{caller}"
    return caller if caller.startswith("service:") else "user"


def row(
    event: str, fields: Mapping[str, Any], catalogue: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """The columns of an event. Raises ValueError for an event that is not in the
    catalogue, and for a field that the catalogue does not list for it."""
    data = {name: fields[name] for name in fields.keys() - LINE_ALONE}
    if event not in catalogue or data.keys() - set(catalogue[event]):
        raise ValueError(f"{event} with {sorted(data)} is not in the catalogue.")
    failed = "failure" if event in FAILURES else "success"
    return {
        "sid": fields.get("sid"),
        "outcome": fields.get("outcome", failed),
        "data": json.dumps(data),
        **origin(fields.get("ip"), fields.get("user_agent", "")),
    }
