"""What a person does with a whole account: register, log in, change the password."""

from deploy.tests.chaos.client import bearer, claims_of
from deploy.tests.chaos.devices import Devices
from deploy.tests.chaos.expected_state import Session
from deploy.tests.chaos.wire import Answer

DEVICES = 3
# The cap is 10 sessions a user; log-ins whose answer was lost count too.
MOST_STRANDED = 5


class AccountHolder(Devices):
    """Acts on an account; what is not known of it (a lost answer) is left open."""

    def register(self) -> bool:
        account = self.account
        body = {"username": account.name, "email": account.email}
        body["password"] = account.passwords[0]
        answer = self.post("register", "/api/v1/users/", account, json=body)
        if answer.status == 201:
            account.sub = str(answer.body["id"])
        return answer.status in (201, 409)  # whose answer got lost before

    def log_in(self) -> None:
        if len(self.account.sessions) >= DEVICES:
            return
        if self.account.stranded >= MOST_STRANDED and self.account.sessions:
            self.log_out_all(self.account.sessions[0])
            return
        password = self.rng.choice(self.account.passwords)
        answer = self.try_password("log in", password)
        if answer.ok:
            self.open(answer, password)
        elif answer.unknown:
            self.account.stranded += 1
        elif answer.status == 401 and self.is_settled(answer):
            others = [each for each in self.account.passwords if each != password]
            self.account.passwords = others or [password]

    def is_settled(self, answer: Answer) -> bool:
        """Whether it tells which password is right."""
        account = self.account
        return answer.begun > account.unsettled and account.surely_open(answer)

    def try_password(self, kind: str, password: str) -> Answer:
        body = {"email": self.account.email, "password": password}
        answer = self.post(kind, "/api/v1/auth/login", self.account, json=body)
        self.checker.log_in(self.account, answer, password)
        return answer

    def open(self, answer: Answer, password: str) -> None:
        """A session, as its device keeps it. The password has proved right."""
        access = answer.body["access_token"]
        claims = claims_of(access)
        account = self.account
        account.sub = account.sub or claims["sub"]
        self.checker.same_person(account, claims["sid"], answer, claims["sub"])
        session = Session(
            account,
            claims["sid"],
            answer.begun,
            answer.ended,
            answer.cookie or "",
            access,
            claims["exp"],
        )
        with self.ledger.lock:
            if self.is_settled(answer):
                account.passwords = [password]
            account.sessions.append(session)
            account.story.append((session.sid, answer))

    def wrong_password(self) -> None:
        """One that nobody has, or one that somebody had."""
        wrong = ["not the password at all", *self.account.former]
        self.try_password("wrong password", self.rng.choice(wrong))

    # ---- All sessions ------------------------------------------------------------

    def log_out_all(self, session: Session) -> None:
        account = self.account
        ending = self.begin(account.endings, "log out all")
        answer = self.post(
            "log out all",
            "/api/v1/auth/logout_all",
            account,
            session.sid,
            headers={**bearer(session.access), "Cookie": session.cookie},
            json={},
        )
        self.checker.token(session, answer, session.expires)
        self.settle(account.endings, ending, answer)
        if answer.ok:
            account.stranded = 0
            for each in list(account.sessions):
                self.ledger.drop(each)

    def change_password(self, session: Session) -> None:
        """All sessions end but this one."""
        account = self.account
        old, new = account.passwords[0], f"another horse battery {self.rng.random()}"
        if len(account.passwords) > 1:
            return
        ending = self.begin(account.endings, "change password", pushed=True)
        ending.spared = session.sid
        account.passwords = [old, new]  # until one is known to be right
        answer = self.post(
            "change password",
            "/api/v1/users/me/change_password",
            account,
            session.sid,
            headers=bearer(session.access),
            json={"current_password": old, "new_password": new},
        )
        self.checker.token(session, answer, session.expires)
        self.settle(account.endings, ending, answer)
        account.unsettled = ending.over if answer.unknown else 0.0
        if answer.ok:
            self.use_new_password(session, old, new)
        elif not answer.unknown:
            account.passwords = [old]

    def use_new_password(self, session: Session, old: str, new: str) -> None:
        self.account.passwords = [new]
        self.account.former.append(old)
        for each in list(self.account.sessions):
            if each is not session:
                self.ledger.drop(each)
