from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0017_recovery_code_used")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="was_verified",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text=(
                    "An address was verified before, or an operator made the account."
                ),
            ),
        ),
    ]
