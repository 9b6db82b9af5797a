"""Cases of revocation that have run, and re-issues after them."""

from django.db import connection, transaction
from django.utils import timezone

from portal.credentials import services
from portal.credentials.models import Reissue, Revocation
from portal.credentials.targets import Selector
from tests.factories.stories import WORKER

_TRIGGER = "ALTER TABLE credentials_revocation {} TRIGGER case_stays_confirmed"


def typed(thing):
    """What somebody sends who confirms it."""
    word_of = services.reissue_word_of if isinstance(thing, Reissue) else services.word_of
    typed_word = word_of(thing.digest)
    return {"digest": thing.digest, "typed_count": str(thing.count), "typed_word": typed_word}


def confirmed_case(by, *keys, second=None, **given):
    """A case of exactly these keys, or of `selector`."""
    selector = given.pop("selector", None) or Selector(kids="\n".join(key.kid for key in keys))
    asked = {"selector": selector, "reason": "incident", "note": ""}
    case = services.preview_revocation(**asked | given, by=by)
    case = services.start_revocation(revocation_id=case.pk, by=by, **typed(case))
    if second:
        case = services.approve_revocation(revocation_id=case.pk, by=second, **typed(case))
    return case


def contained_case(by, *keys):
    """Held as they are, neither revoked nor let go."""
    selector = Selector(kids="\n".join(key.kid for key in keys))
    case = services.preview_revocation(selector=selector, reason="incident", note="", by=by)
    return services.contain_revocation(revocation_id=case.pk, by=by)


def finished_case(by, *keys, **given):
    """The same with every key marked and every mail queued."""
    case = confirmed_case(by, *keys, **given)
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    case.refresh_from_db()
    return case


def preview_reissue(case, by, **given):
    return services.preview_reissue(revocation_id=case.pk, by=by, **given)


def start_reissue(reissue, by, **given):
    return services.start_reissue(reissue_id=reissue.pk, by=by, **typed(reissue) | given)


def finish_reissue(reissue):
    return services.finish_reissue(reissue_id=reissue.pk, by=WORKER)


def reissued(case, by, **given):
    """Previewed, confirmed and run."""
    reissue = start_reissue(preview_reissue(case, by, **given), by)
    finish_reissue(reissue)
    reissue.refresh_from_db()
    return reissue


def let_pass(time):
    """As if so much had passed since cases were confirmed, and whoever had them were gone.

    The database lets nobody write the former; what refuses is put aside for a moment.
    """
    then = timezone.now() - time
    confirmed = Revocation.objects.filter(confirmed_at__isnull=False)
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever has one in hand is through with it first.
        if confirmed.filter(confirmed_at__gt=then).select_for_update():
            # What is pending would be in the way.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(_TRIGGER.format("DISABLE"))
            confirmed.update(confirmed_at=then)
            cursor.execute(_TRIGGER.format("ENABLE"))
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    confirmed.update(leased_until=then)
