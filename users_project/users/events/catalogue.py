"""The events that are rows, with the keys of their `data`: what was changed, never to
what, and no name or address. docs/operations/logging.md says what they mean."""

RIGHTS = ("fields", "added", "removed")
BULK = ("epoch", "reason")

CATALOGUE: dict[str, tuple[str, ...]] = {
    "authn_login_fail": ("site", "reached"),
    "authn_login_fail_max": ("site", "reached"),
    "authn_login_success": ("site",),
    "authn_login_unlock": (),
    "authn_password_change": ("site",),
    "authn_password_change_fail": ("site",),
    "authn_password_check_fail": (),
    "email_change_cancelled": (),
    "email_change_fail": (),
    "email_change_requested": (),
    "email_change_undone": (),
    "email_changed": (),
    "email_verified": (),
    "mail_failed": ("kind", "error"),
    "passkey_suspect": (),
    "password_reset": (),
    "password_reset_requested": (),
    "privilege_permissions_changed": ("role", "what", *RIGHTS),
    "sessions_ended": ("epoch", "reason", "users", "above"),
    "user_activate": BULK,
    "user_created": (),
    "user_deactivate": BULK,
    "user_deleted": (),
    "user_end_session": (),
    "user_end_sessions": BULK,
    "user_erased": (),
    "user_exported": (),
    "user_lift_lock": (),
    "user_mail_link": ("kind",),
    "user_mark_verified": BULK,
    "user_restore": BULK,
    "user_restored": (),
    "user_soft_delete": BULK,
    "user_updated": ("fields",),
}
