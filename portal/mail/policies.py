"""Who may send a given-up mail again. Mail lies below accounts, so any user will do."""

from typing import Protocol

from portal.mail.models import OutgoingMail
from portal.verdict import Verdict, allow, deny


class Permitted(Protocol):
    ref: str

    def has_perm(self, perm: str) -> bool: ...


def can_retry_mail(user: Permitted, mail: OutgoingMail) -> Verdict:
    if not user.has_perm("mail.retry_mail"):
        return deny("no_permission", "Ask an incident responder or a programme manager.")
    if not mail.dead_at:
        return deny("not_dead", "This mail is not given up.")
    return allow()
