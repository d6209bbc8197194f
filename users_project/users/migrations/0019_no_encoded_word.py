import django.core.validators
from django.db import migrations, models

from users.validators import EMAIL


class Migration(migrations.Migration):
    """No table changes, only the rule for new addresses."""

    dependencies = [("users", "0018_was_verified")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(
                max_length=254,
                validators=[
                    django.core.validators.RegexValidator(
                        EMAIL, "Enter an e-mail address in ASCII.", "invalid"
                    )
                ],
                verbose_name="e-mail address",
            ),
        ),
    ]
