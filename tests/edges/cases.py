"""Cases of revocation in the admin: their keys, what is typed, where they are."""

from portal.credentials import services
from portal.credentials.models import Credential
from portal.credentials.targets import Selector
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import make_live_key

CASES = "/admin/credentials/revocation/"


def make_key(phase, partner):
    application = ApplicationFactory(phase=phase, organization=partner, status="granted")
    return make_live_key(grant__application=application)[0]


def previewed(phase, by):
    return services.preview_revocation(
        selector=Selector(phase=phase.ref), reason="incident", note="Seen in a dump.", by=by
    )


def confirming(case, **given):
    typed = {"typed_count": str(case.count), "typed_word": services.word_of(case.digest)}
    return {"digest": case.digest, **typed, **given}


def statuses():
    return set(Credential.objects.values_list("status", flat=True))


def at(case, verb="change"):
    return f"{CASES}{case.ref}/{verb}/"
