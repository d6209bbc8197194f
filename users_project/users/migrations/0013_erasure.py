from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# Users who were deleted by an earlier version can be restored for fourteen days from
# this upgrade. Then they are erased.
WAIT = """
UPDATE users_user SET delete_after = clock_timestamp() + interval '14 days'
WHERE deleted_at IS NOT NULL AND delete_after IS NULL
"""


class Migration(migrations.Migration):
    """The table is read and written while the index is built."""

    atomic = False

    dependencies = [
        ('users', '0012_events'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='erased_at',
            field=models.DateTimeField(editable=False, help_text='What was personal is gone. The id stays as a pseudonym.', null=True),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('delete_after__isnull', False)), fields=['delete_after'], name='user_delete_after'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(models.OrderBy(models.F('last_login'), descending=True, nulls_last=True), name='user_last_login'),
        ),
        migrations.RunSQL(WAIT, migrations.RunSQL.noop),
    ]
