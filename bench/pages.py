"""What a responder waits for: the form of a new case over every key, and the page it leads to."""

from functools import partial

from django.test import Client

from bench import tables
from bench.incidents import RELEASE
from bench.revoking import ROUNDS, bare_items
from bench.rounds import Result, in_turns, timed, times
from bench.seed import responder
from bench.stack import Stack
from portal.admin_buttons import object_url
from portal.credentials.models import Credential, Revocation

_ADD = "/admin/credentials/revocation/add/"
_ASKED = {"title": "Bench", "severity": "high", "reason": "incident", "release": RELEASE}
# What the page tells in one line, of a case: how many keys of which partner.
_COUNTED = """
    SELECT held.organization_id, count(*) FROM credentials_revocationitem AS item
    JOIN credentials_credential AS key ON key.id = item.credential_id
    JOIN credentials_grant AS held ON held.id = key.grant_id
    WHERE item.revocation_id = %s GROUP BY 1
"""


def preview_page(_stack: Stack) -> list[Result]:
    """`preview_post_ms` is the form's answer, whose service is `preview_ms`, and the same bare
    statement is its floor; `preview_page_ms` the case's page, over a statement that counts the
    case's keys by partner. Both through all of Django but the server.
    """
    size = Credential.objects.count()
    desk = Client(SERVER_NAME="127.0.0.1")
    desk.force_login(responder())
    cases: list[Revocation] = []
    _post(desk, size, cases)
    _get(desk, size, cases[-1])  # neither is cold
    found = in_turns(
        ROUNDS,
        lambda: timed(partial(_post, desk, size, cases)),
        lambda: timed(bare_items),
    )
    seen = in_turns(
        ROUNDS,
        lambda: timed(partial(_get, desk, size, cases[-1])),
        lambda: timed(partial(_count, size, cases[-1])),
    )
    return [times("preview_post_ms", *found), times("preview_page_ms", *seen)]


def _post(desk: Client, size: int, cases: list[Revocation]) -> None:
    answer = desk.post(_ADD, _ASKED)
    case = Revocation.objects.order_by("pk").last()
    if answer.status_code != 302 or case is None or case.count != size:
        raise SystemExit(f"The form was answered with {answer.status_code}; {case}.")
    cases.append(case)


def _get(desk: Client, size: int, case: Revocation) -> None:
    answer = desk.get(object_url(case))
    if answer.status_code != 200 or f"{size:,}" not in answer.text:
        raise SystemExit(f"The page answered {answer.status_code} and does not tell of {size:,}.")


def _count(size: int, case: Revocation) -> None:
    found = sum(count for _, count in tables.rows(_COUNTED, case.pk))
    if found != size:
        raise SystemExit(f"{found} of {size} keys were counted.")
