"""Cases over every key of a phase, step by step, and what has come of them."""

from contextlib import contextmanager

from django.db import connection
from django.utils import timezone

from portal.credentials import services
from portal.credentials.models import RevocationParty
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from tests.factories.credentials import make_live_key
from tests.factories.programs import CapabilityFactory
from tests.factories.stories import WORKER


def live(phase, count=3, **given):
    return [make_live_key(grant__application__phase=phase, **given)[0] for _ in range(count)]


def critical(phase):
    scope = CapabilityFactory(release=phase.release, tier="critical").scope
    return make_live_key(grant__application__phase=phase, grant__scopes=[scope], scopes=[scope])[0]


def preview(phase, by, **given):
    asked = {"selector": Selector(phase=phase.ref), "reason": "incident", "note": ""}
    return services.preview_revocation(**asked | given, by=by)


def confirm(case, by, **given):
    asked = {"digest": case.digest, "typed_count": str(case.count)}
    asked["typed_word"] = services.word_of(case.digest)
    return services.start_revocation(revocation_id=case.pk, **asked | given, by=by)


def approve(case, by):
    asked = {"digest": case.digest, "typed_count": str(case.count)}
    asked["typed_word"] = services.word_of(case.digest)
    return services.approve_revocation(revocation_id=case.pk, **asked, by=by)


def finish(case):
    return services.finish_revocation(revocation_id=case.pk, by=WORKER)


def items(case):
    return list(case.items.order_by("pk").values_list("status", flat=True))


def told():
    """The kids that mails name: one key's, or a list of them."""
    said = OutgoingMail.objects.values_list("context", flat=True)
    return sorted(kid for each in said for kid in each.get("kids", [each.get("kid")]))


def parties(case):
    return list(case.parties.order_by("pk").values_list("status", flat=True))


def overdue():
    """Let the pauses between attempts be over."""
    RevocationParty.objects.update(next_attempt_at=timezone.now())


@contextmanager
def no_mail_to(person):
    """The database itself refuses to queue mail for this person."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_mail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse_mail BEFORE INSERT ON mail_outgoingmail FOR EACH ROW "
            f"WHEN (NEW.\"to\" = '{person.email}') EXECUTE FUNCTION refuse_mail()"
        )
        yield
        cursor.execute("DROP TRIGGER refuse_mail ON mail_outgoingmail")
        cursor.execute("DROP FUNCTION refuse_mail()")
