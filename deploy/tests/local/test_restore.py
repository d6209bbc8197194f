"""All databases are swapped, or none. The rest is proved by
deploy/tests/system/operations/test_backup.py."""

import pytest

from deploy.local import restore
from deploy.local.problems import Problem
from deploy.local.setup.layout import Layout, Service


class Databases:
    """The names that the databases of a service have."""

    def __init__(self, layout: Layout) -> None:
        names = {"": "present", restore.NEW: "new"}
        self.names = {service.name: names for service in layout.services}

    def rename(self, _: Layout, service: Service, *pairs: tuple[str, str]) -> None:
        """As PostgreSQL does: all, or an error."""
        names = dict(self.names[service.name])
        for old, new in pairs:
            if old not in names or new in names:
                raise Problem(f"{service.name}{old} cannot be renamed.")
            names[new] = names.pop(old)
        self.names[service.name] = names


@pytest.mark.parametrize("which", [0, 1], ids=["first", "last"])
@pytest.mark.parametrize("is_renamed", [False, True])
def test_an_interrupted_swap_is_undone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, which: int, is_renamed: bool
) -> None:
    """Also if the server has renamed and the command has not heard of it: `auth` from
    the backup next to `users` of today would end all sessions and forget events."""
    databases, failing = Databases(layout), layout.services[which]
    before = dict(databases.names)

    def rename(layout: Layout, service: Service, *pairs: tuple[str, str]) -> None:
        is_swap = service == failing and pairs[0] == ("", restore.OLD)
        if is_renamed or not is_swap:
            databases.rename(layout, service, *pairs)
        if is_swap:
            raise KeyboardInterrupt

    monkeypatch.setattr(restore, "_rename", rename)
    with pytest.raises(KeyboardInterrupt):
        restore._swap(layout, layout.services)
    assert databases.names == before


def test_what_an_interruption_after_the_swap_leaves_is_dropped_by_up(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRIV-02: the databases from before have users who are erased later."""
    made: list[Layout] = []

    def make_roles(layout: Layout) -> None:
        made.append(layout)
        if len(made) > 1:
            raise KeyboardInterrupt

    for name in ("_load", "_finish", "_swap"):
        monkeypatch.setattr(restore, name, lambda *_, **__: None)
    monkeypatch.setattr(restore.postgres, "insist_on_own", lambda *_: None)
    monkeypatch.setattr(restore.postgres, "make_roles", make_roles)
    up_to_date = layout.fingerprint()
    with pytest.raises(KeyboardInterrupt):
        restore._replace(layout, layout.services, layout.backups, keep_sessions=False)
    assert layout.fingerprint() != up_to_date
