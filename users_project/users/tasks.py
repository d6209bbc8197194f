"""What the worker does. Jobs carry ids alone, and each may run twice."""

from procrastinate.contrib.django import app


@app.task(name="send_mail")
def send_mail(mail_id: int) -> None:
    """Send a mail that waits."""
