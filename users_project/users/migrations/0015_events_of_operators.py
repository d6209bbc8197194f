from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from shared.db.rights import ERASE


class Migration(migrations.Migration):
    """The table is read and written while the index is built."""

    atomic = False

    dependencies = [
        ('users', '0014_indexes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='event',
            index=models.Index(condition=models.Q(('actor__startswith', 'operator:')), fields=['actor'], name='event_of_operator'),
        ),
        migrations.RunSQL(ERASE.format(table='users_event'), migrations.RunSQL.noop),
    ]
