import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# `mail_of_user` begins with the user. No search compares the beginning of a canonical
# name: Django makes such an index for every unique or indexed text.
USELESS = {
    'users_mail_user_id_2536382d': 'users_mail (user_id)',
    'users_user_email_canonical_bf144a8d_like': 'users_user (email_canonical varchar_pattern_ops)',
    'users_user_username_canonical_23042fdc_like': 'users_user (username_canonical varchar_pattern_ops)',
    'users_registration_email_canonical_7d898c61_like': 'users_registration (email_canonical varchar_pattern_ops)',
}


class Migration(migrations.Migration):
    """The tables are read and written meanwhile."""

    atomic = False

    dependencies = [
        ('users', '0013_erasure'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='addressrequest',
            name='locale',
        ),
        *(
            migrations.RunSQL(
                f'DROP INDEX CONCURRENTLY IF EXISTS {name}',
                f'CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {columns}',
            )
            for name, columns in USELESS.items()
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='mail',
                    name='user',
                    field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
                ),
            ],
        ),
    ]
