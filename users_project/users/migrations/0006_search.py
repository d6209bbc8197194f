import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently, TrigramExtension
from django.db import migrations, models


def trigrams(compared):
    return django.contrib.postgres.indexes.OpClass(compared, name='gin_trgm_ops')


class Migration(migrations.Migration):
    """The table is read and written while the index is built."""

    atomic = False

    dependencies = [
        ('users', '0005_names'),
    ]

    operations = [
        TrigramExtension(),
        AddIndexConcurrently(
            model_name='user',
            index=django.contrib.postgres.indexes.GinIndex(
                trigrams(models.F('email_canonical')),
                trigrams(models.F('username_canonical')),
                trigrams(django.db.models.functions.text.Upper('first_name')),
                trigrams(django.db.models.functions.text.Upper('last_name')),
                trigrams(django.db.models.functions.text.Upper('display_name')),
                name='user_search',
            ),
        ),
        # Without statistics of the expressions a search for what many rows have reads
        # the index first, and then nearly all of the table.
        migrations.RunSQL('ANALYZE users_user', migrations.RunSQL.noop),
    ]
