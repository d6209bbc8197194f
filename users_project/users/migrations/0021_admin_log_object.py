from django.db import migrations

DROP = "DROP INDEX CONCURRENTLY IF EXISTS admin_log_object"
CREATE = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS admin_log_object"
    " ON django_admin_log (object_id)"
)


class Migration(migrations.Migration):
    """Each erasure and each export searches the admin's history of a user. The table is
    read and written while the index is built. An interrupted build leaves an invalid
    index, so it is dropped first."""

    atomic = False

    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("users", "0020_purges_of_factors"),
    ]

    operations = [migrations.RunSQL([DROP, CREATE], DROP)]
