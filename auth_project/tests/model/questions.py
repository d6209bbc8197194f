"""Is this token good, whose is it, and which sessions are there?"""

from .machine import WHICH, Machine, act, pick, with_devices
from .records import Access, Answer


class Questions(Machine):
    @with_devices
    @act(which=WHICH)
    def list_sessions(self, which: int) -> None:
        token = self.devices_access(which)
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.sessions(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            live = self.model.live(token.session.account)
            listed = [(each["id"], each["current"]) for each in seen.body]
            assert listed == [(s.sid, s is token.session) for s in live]

    @with_devices
    @act(which=WHICH)
    def verify(self, which: int) -> None:
        self.verifying(pick(self.accesses, which))

    @with_devices
    @act(which=WHICH)
    def me(self, which: int) -> None:
        self.asking_elsewhere(pick(self.accesses, which))

    @with_devices
    @act()
    def ask_about_every_token(self) -> None:
        for token in self.accesses:
            self.verifying(token)
            self.asking_elsewhere(token)

    @with_devices
    @act(which=WHICH)
    def introspect(self, which: int) -> None:
        token = pick(self.accesses, which)
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.introspect(self.texts[token])
        assert seen.status == 200
        if code:
            assert seen.body == {"active": False}
        else:
            claims = self.claims(token)
            told = {k: v for k, v in claims.items() if k != "token_type"}
            assert seen.body == {"active": True, "token_type": "Bearer", **told}

    def check_bounds(self, token: Access) -> None:
        """What the model accepts too must be within the bounds that are promised."""

    def verifying(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.verify(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            c = self.claims(token)
            told = {k: c[k] for k in ("email", "username", "roles", "sid", "exp")}
            assert seen.body == {"valid": True, "user_id": c["sub"], **told}

    def asking_elsewhere(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token, elsewhere=True)
        seen = self.driver.me(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            account = token.session.account
            assert (seen.body["id"], seen.body["username"]) == (
                account.id,
                account.name,
            )
