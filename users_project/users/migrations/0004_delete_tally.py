from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0003_epochs'),
    ]

    operations = [
        migrations.DeleteModel(name='Tally'),
    ]
