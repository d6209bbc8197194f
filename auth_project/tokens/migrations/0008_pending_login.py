from django.db import migrations


class Migration(migrations.Migration):
    """Another name in Python. The table keeps its own."""

    dependencies = [
        ('tokens', '0007_factors'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel('Login', 'PendingLogin'),
                migrations.AlterModelTable('PendingLogin', 'tokens_login'),
            ],
        ),
    ]
