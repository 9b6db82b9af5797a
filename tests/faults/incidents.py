"""A case of revocation over partners of one phase, and whether its books balance."""

from collections import Counter
from datetime import timedelta

from celery import current_app

from portal.audit.models import Event
from portal.credentials.models import Credential, Grant
from portal.credentials.services import preview_revocation, start_revocation, word_of
from portal.credentials.targets import Selector
from portal.credentials.tasks import reconcile
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.cases import let_pass
from tests.processes import until


def keys_of(phase, count):
    """So many (credential, token), each of a holder of their own."""
    return [stories.claimed(phase=phase) for _ in range(count)]


def give_to(organization, made):
    grants = [key.grant_id for key, _token in made]
    Grant.objects.filter(pk__in=grants).update(organization=organization)


def preview(phase, by):
    selector = Selector(phase=phase.ref)
    return preview_revocation(selector=selector, reason="incident", note="", by=by)


def typed(case):
    """What somebody types who confirms it."""
    return {
        "digest": case.digest,
        "typed_count": str(case.count),
        "typed_word": word_of(case.digest),
    }


def confirm(case, by):
    return start_revocation(revocation_id=case.pk, by=by, **typed(case))


def codes(made):
    """What a door says of each of these keys, and how often."""
    audience = {key.pk: key.grant.phase.release.audience for key, _token in made}
    said = [verify(token, audience=audience[key.pk], scope=None) for key, token in made]
    return Counter(each.verdict.code for each in said)


def a_minute_later():
    """Old enough for reconcile, which leaves alone what a worker may have in hand."""
    let_pass(timedelta(minutes=1))


def until_completed(case):
    a_minute_later()
    current_app.send_task(reconcile.name)
    until(lambda: stories.again(case).status == "completed")


def mails():
    return OutgoingMail.objects.filter(template="credentials/keys_revoked")


def assert_all_told_once(case, made, *, partners):
    """Every key of the case is dead, by one event; whoever is told of a key is told once."""
    kids = sorted(key.kid for key, _token in made)
    assert codes(made) == {"key_revoked": len(made)}
    dead = Event.objects.filter(kind="credential.revoked").values_list("subject", flat=True)
    assert sorted(dead) == kids
    assert Counter(case.items.values_list("status", flat=True)) == {"done": len(made)}
    assert Counter(case.parties.values_list("status", flat=True)) == {"done": partners}
    told = Counter(
        (to, kid) for to, each in mails().values_list("to", "context__kids") for kid in each
    )
    assert set(told.values()) == {1}
    assert {(key.grant.holder.email, key.kid) for key, _token in made} <= set(told)
    assert {kid for _to, kid in told} == set(kids)
    of_case = Counter(Event.objects.filter(subject=case.ref).values_list("kind", flat=True))
    assert (of_case["revocation.confirmed"], of_case["revocation.completed"]) == (1, 1)


def assert_nothing_revoked(made):
    assert codes(made) == {"": len(made)}
    assert not Event.objects.filter(kind="credential.revoked").exists()
    assert set(Credential.objects.values_list("status", flat=True)) == {"active"}
