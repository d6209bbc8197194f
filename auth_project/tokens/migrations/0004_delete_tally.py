from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0003_epochs'),
    ]

    operations = [
        migrations.DeleteModel(name='Tally'),
    ]
