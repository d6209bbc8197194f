from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The tables are read and written while the indexes are built. An attempt that ended
    early leaves an index that is not valid."""

    atomic = False

    dependencies = [("users", "0019_no_encoded_word")]

    operations = [
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS factor_unconfirmed", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="factor",
            index=models.Index(
                condition=models.Q(("confirmed_at", None)),
                fields=["created_at"],
                name="factor_unconfirmed",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS recovery_code_used", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="recoverycode",
            index=models.Index(
                condition=models.Q(("used_at__isnull", False)),
                fields=["used_at"],
                name="recovery_code_used",
            ),
        ),
    ]
