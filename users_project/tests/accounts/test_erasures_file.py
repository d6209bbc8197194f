"""Who was erased is written outside the database, for databases that are restored."""

import resource
import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from shared import erasures as erasures_file
from tests.accounts.personal_data import DAY, everything
from tests.factories import UserFactory
from users.accounts import erasure
from users.models import User

LINE = "00000000-0000-4000-8000-000000000000 2026-01-31T12:00:00+00:00\n"


def test_an_erasure_that_cannot_be_written_is_not_done(
    marked, settings, erasures, jobs
):
    """PRIV-05. Before the commit, and on the disk."""
    settings.ERASURES_FILE = erasures / "of" / "another" / "disk"
    before = everything()
    with pytest.raises(OSError, match="No such file"):
        erasure.erase_due()
    assert everything() == before
    settings.ERASURES_FILE = erasures
    assert erasure.erase_due() == 1


def test_a_disk_that_takes_half_of_a_line_is_full(marked, erasures):
    """PRIV-05. The system reports no error then, and the line would be lost."""
    erasures.write_text(LINE)
    before, limits = everything(), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) + 30, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            erasure.erase_due()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert everything() == before
    assert erasure.erase_due() == 1
    assert erasures_file.read(erasures)[-1] == marked.pk


def test_the_line_is_on_the_disk_before_the_commit(marked, monkeypatch, erasures):
    """PRIV-05. So is the name of a new file."""
    order, fsync = [], erasures_file.os.fsync

    def sync(descriptor):
        order.append("disk")
        fsync(descriptor)

    def note(execute, sql, *rest):
        if "RELEASE SAVEPOINT" in sql:
            order.append("commit")
        return execute(sql, *rest)

    monkeypatch.setattr(erasures_file.os, "fsync", sync)
    with connection.execute_wrapper(note):
        assert erasure.erase_batch(Q(pk=marked.pk)) == 1
    assert order == ["disk", "disk", "commit"]


def test_a_restored_database_forgets_the_same_users(marked, jobs, tmp_path, capsys):
    """PRIV-05. Also those who were not deleted yet in it. Other deleted users may have
    restored their account since: they have fourteen days again."""
    bob = UserFactory(email="bob@mark-9.example")
    carol = UserFactory(deleted_at=timezone.now())
    file = tmp_path / "file"
    unknown = UserFactory.build()
    ids = [bob.pk, unknown.pk, marked.pk, bob.pk]
    file.write_text("".join(f"{each} 2026-01-31T12:00:00+00:00\n" for each in ids))
    call_command("eraseusers", str(file))
    words = "Erased 2 users; 1 deleted users have 14 more days.\n"
    assert capsys.readouterr().out == words
    assert "mark-" not in everything().lower()
    row = User.objects.get(pk=carol.pk)
    assert row.delete_after - timezone.now() > 13.9 * DAY
    assert User.objects.get(pk=bob.pk).is_deleted
    assert len(jobs("erase_in_auth")) == 2
    call_command("eraseusers", str(file))
    assert capsys.readouterr().out.startswith("Erased 0 users")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("eraseusers", str(tmp_path / "unknown"))


def test_in_a_restored_database_no_statement_changes_very_many_users(
    monkeypatch, django_assert_num_queries
):
    """It would exceed its time, at each try."""
    UserFactory.create_batch(5, deleted_at=timezone.now())
    monkeypatch.setattr(erasure, "BATCH", 2)
    with django_assert_num_queries(1 + 3):
        assert erasure.wait_again() == 5


def test_a_cut_line_is_no_erasure_and_spoils_no_other(erasures):
    first, cut, last = (UserFactory.build().pk for _ in range(3))
    erasures_file.append(erasures, [first])
    erasures.write_text(erasures.read_text() + f"{cut} 2026-0")
    erasures_file.append(erasures, [last])
    assert erasures_file.read(str(erasures)) == [first, last]
