from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table is read and written meanwhile. The new index begins with the user, as
    the one that it replaces."""

    atomic = False

    dependencies = [
        ('tokens', '0009_login_of_user'),
    ]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS session_of_user', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='session',
            index=models.Index(fields=['user_id', 'revoked_at'], name='session_of_user'),
        ),
        migrations.RunSQL(
            'DROP INDEX CONCURRENTLY IF EXISTS tokens_session_user_id_b6fe1c8f',
            'CREATE INDEX CONCURRENTLY IF NOT EXISTS tokens_session_user_id_b6fe1c8f ON tokens_session (user_id)',
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='session',
                    name='user_id',
                    field=models.UUIDField(help_text='In the User Service.'),
                ),
            ],
        ),
    ]
