from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The tables are read and written while the indexes are built."""

    atomic = False

    dependencies = [("users", "0019_no_encoded_word")]

    operations = [
        AddIndexConcurrently(
            model_name="factor",
            index=models.Index(
                condition=models.Q(("confirmed_at", None)),
                fields=["created_at"],
                name="factor_unconfirmed",
            ),
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
