"""Our services, as they are measured."""

from urllib.parse import urlsplit

from .checkout import Checkout, credentials
from .processes import family, listening
from .wrk import Target

USERS = 64  # their access tokens are sent in turn
LOGIN_USERS = range(1000, 2000)


class Memo:
    """The running services of a checkout, called directly or through the gateway."""

    def __init__(self, name: str, checkout: Checkout, *, gateway: bool = False) -> None:
        self.name = name
        self.checkout = checkout
        self.gateway = gateway
        verification = [] if gateway else ["verify_token"]
        self.paths = ["me", "refresh", "login", *verification]
        self.access = [pair["access"] for pair in checkout.log_in(range(USERS))]

    def pids(self) -> list[int]:
        """The processes that do its work, without databases."""
        names = ["auth", "users"] + ["gateway"] * self.gateway
        ports = [urlsplit(self.checkout.url(name)).port for name in names]
        return [pid for port in ports for pid in listening("tcp", f"sport = :{port}")]

    def stores(self) -> list[int]:
        """The processes of its databases and its Redis."""
        sockets = self.checkout.store_sockets()
        servers = [listening("unix", f"src {path}")[0] for path in sockets]
        return [pid for server in servers for pid in family(server)]

    def target(self, path: str, connections: int) -> Target:
        """The requests to send. Tokens that work once are new with every call."""
        if path == "me":
            headers = [{"Authorization": f"Bearer {token}"} for token in self.access]
            return Target("GET", self.url("users", "me"), headers)
        url = self.url("auth", path)
        if path == "verify_token":
            key = self.checkout.secret("users", "AUTH_SERVICE_API_KEY")
            bodies = [{"token": token} for token in self.access]
            return Target("POST", url, [{"X-Internal-Api-Key": key}], bodies)
        if path == "login":  # Hashing is bounded: beyond it a client gets 503.
            bodies = [credentials(number) for number in LOGIN_USERS]
            return Target("POST", url, bodies=bodies, patient=True)
        cookie = {"Cookie": "refresh_token=%TOKEN%"}
        # From new sessions: the last round ended in the middle of refreshes.
        pairs = self.checkout.log_in(range(USERS, USERS + 2 * connections))
        tokens = [pair["refresh"] for pair in pairs]
        return Target("POST", url, [cookie], tokens=tokens)

    def url(self, service: str, path: str) -> str:
        base = self.checkout.url("gateway" if self.gateway else service)
        return f"{base}/api/v1/{service}/{path}"
