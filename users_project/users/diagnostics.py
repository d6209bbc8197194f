"""What `manage.py doctor` asks of roles."""

from shared.auth.access_tokens import MAX_LENGTH
from shared.doctor import diagnostic
from users.models import User

# Characters of JSON. Of a token three quarters are what base64 encodes; the rest of it
# takes 1,500 characters. Noted before it comes to that.
ROOM_FOR_ROLES = (MAX_LENGTH - 1500) * 3 // 4
NOTED_FROM = 0.8


@diagnostic(
    "roles.length",
    "the roles of every user fit into an access token",
    "Use fewer or shorter roles. Beyond the limit, tokens name no role.",
    note=True,
)
def long_roles() -> str:
    longest = User.objects.longest_roles()
    near = longest >= NOTED_FROM * ROOM_FOR_ROLES
    return f"the longest take {longest} of {ROOM_FOR_ROLES}" if near else ""
