"""The staff's button on a mail."""

from typing import cast

from django.http import HttpRequest, HttpResponse

from portal.admin_buttons import confirm
from portal.mail import services
from portal.mail.models import OutgoingMail
from portal.mail.policies import Permitted


def retry_mail(request: HttpRequest, mail: OutgoingMail) -> HttpResponse:
    by = cast("Permitted", request.user)  # staff, by the admin's wrapper
    return confirm(
        request,
        mail,
        title=f"Try {mail.ref} again?",
        template="admin/mail/retry_mail.html",
        act=lambda: services.retry_mail(mail_id=mail.pk, by=by),
        done=f"{mail.ref} is on its way again.",
    )
