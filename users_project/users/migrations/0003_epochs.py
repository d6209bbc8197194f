from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0002_tally'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='session_epoch',
            field=models.PositiveBigIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='kept_sid',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='kept_from',
            field=models.PositiveBigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='password_epoch',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
