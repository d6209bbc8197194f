"""The tokens of links, as a mailbox has them: made from the row and the secret key."""

import base64
import hashlib
import hmac
from datetime import UTC

from deploy.tests.stack import System

NEWEST = """
SELECT id, coalesce(user_id, registration_id), expires_at FROM users_link
WHERE address = %s AND purpose = %s ORDER BY created_at DESC LIMIT 1
"""


def token_of(system: System, address: str, purpose: str) -> str:
    """That of the newest link of this purpose to an address; empty without one."""
    found = system.query("users", NEWEST, address, purpose)
    if not found:
        return ""
    ((link_id, subject, expires_at),) = found
    until = expires_at.astimezone(UTC).isoformat()
    text = f"{link_id}|{purpose}|{subject}|{until}"
    secret = system.secret("users_secret_key")
    key = hashlib.sha256(f"users.accounts.links{secret}".encode()).digest()
    mac = hmac.new(key, text.encode(), "sha256").digest()
    return base64.urlsafe_b64encode(link_id.bytes + mac).decode()
