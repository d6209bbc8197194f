from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table is read and written while the index is built. An attempt that ended
    early leaves an index that is not valid."""

    atomic = False

    dependencies = [
        ('tokens', '0008_pending_login'),
    ]

    operations = [
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS login_of_user', migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='pendinglogin',
            index=models.Index(condition=models.Q(('user_id__isnull', False)), fields=['user_id'], name='login_of_user'),
        ),
    ]
