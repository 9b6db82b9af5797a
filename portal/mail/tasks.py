"""Celery leaves of the mail: safe to run twice, at once, and late."""

from celery import shared_task


# All of them are taken by workers of their own (CELERY_TASK_ROUTES): the mails of a great case, or
# a mail server that is slow, keep no key waiting. The soft limit comes before the hard one kills
# the worker, so that a mail server which answers a byte at a time counts as a failed attempt.
@shared_task(name="mail.deliver", soft_time_limit=25)
def deliver(mail_id: int) -> None:
    from portal.mail.services import deliver_mail  # noqa: PLC0415 - the task's one service

    deliver_mail(mail_id=mail_id)


# Every ring asks for the same, so those nobody has taken within a minute are void: where sending is
# slower than ringing they do not pile up.
@shared_task(name="mail.deliver_queued", soft_time_limit=25, expires=60)
def deliver_queued() -> None:
    from portal.mail import services  # noqa: PLC0415 - the task's one service

    services.deliver_queued()


@shared_task(name="mail.reconcile")
def reconcile() -> None:
    from portal.mail.services import reconcile_mail  # noqa: PLC0415 - the task's one service

    reconcile_mail()
