from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0002_tally'),
    ]

    operations = [
        migrations.CreateModel(
            name='UserEpoch',
            fields=[
                ('user_id', models.UUIDField(help_text='In the User Service.', primary_key=True, serialize=False)),
                ('epoch', models.PositiveBigIntegerField(help_text='No session opens below it.')),
            ],
        ),
        migrations.AlterField(
            model_name='session',
            name='user_epoch',
            field=models.PositiveBigIntegerField(help_text="The user's session_epoch at login; below the user's it is dead."),
        ),
    ]
