from django.db import migrations

# The table is Django's, so the constraint is no model's. NOT VALID: longer names that
# are there stay, as what a role is called is what services decide by. They can be used,
# renamed and deleted; no new one is made.
ADD = """
ALTER TABLE auth_group ADD CONSTRAINT role_name_length
CHECK (char_length(name) <= 64) NOT VALID
"""
DROP = "ALTER TABLE auth_group DROP CONSTRAINT role_name_length"


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0006_search'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [migrations.RunSQL(ADD, DROP)]
