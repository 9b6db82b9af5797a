"""Whatever is sent to a form: no failure of ours, words that say what is wrong, nothing typed lost
and nothing written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib.auth import get_user
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.enums import MemberRole
from portal.credentials.services import preview_revocation, word_of
from portal.credentials.targets import Selector
from portal.reviews.models import ConflictOfInterest
from portal.reviews.services import decline_application
from tests.edges.test_programs_admin import phase_data, question, release_data
from tests.factories import stories
from tests.factories.accounts import (
    PASSWORD,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    StaffFactory,
    UserFactory,
    make_fresh,
)
from tests.factories.accounts import sign_in as through_the_front_door
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.programs import EVERY_KIND, AgreementVersionFactory, ask_every_kind
from tests.meta.surface import signed_in

pytestmark = pytest.mark.django_db
TRIES = settings(
    max_examples=10,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # each try is a page; making a finding smaller would take minutes
    suppress_health_check=list(HealthCheck),
)
URLENCODED = "application/x-www-form-urlencoded"


# --- What is sent ------------------------------------------------------------------------------

NASTY = [
    *("", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\ufffe", "\u202eabc", "\u2028", "\r\n\r\n"),
    *("-1", "0", "1e400", "NaN", "9" * 10, "9" * 19, "9" * 400, "٣", "1.5", "true", "None"),
    *("0000-00-00", "2030-02-30", "9999-12-31", "0001-01-01", "24:00", "2030-01-31T00:00"),
    *("[", "{}", "[]", "%", "%00", "\\", "\\u0000", "'\";--", "<b>&amp;", "a" * 300, "é" * 20_000),
    *("http://[", "https://a\nb", "javascript:0", "a@b", "a@b.c\0", "@", "x" * 64 + "@example.org"),
    *("ORG-34679ACD", "PHA-34679ACD", "draft", "owner", "form.version"),
]
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=40))


def sent(fields):
    """Fields as they ought to be, but for one or several: missing, repeated or not what they are.

    Now and then none is as it ought to be.
    """
    wrong = st.one_of(
        st.lists(TEXT, max_size=2),
        *([st.tuples(TEXT).map(list)] * 3),
        *(TEXT.map(lambda typed, known=values: [*known, typed]) for values in fields.values()),
    )
    some = st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2, unique=True)
    chosen = st.one_of(some, some, some, st.just(sorted(fields)))
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(dict.fromkeys(names, wrong)).map(
            lambda typed: {**fields, **typed}
        )
    )


# --- What comes back ---------------------------------------------------------------------------


TELLING = {"errorlist", "errornote", "error", "alert", "notice"}  # classes and roles


class Page(HTMLParser):
    """What stands in the controls of a page, and the words that say what is wrong."""

    def __init__(self, text):
        super().__init__()
        self.typed, self.chosen, self.offered = {}, {}, {}
        self.told, self.has_heading = "", False
        self._inside, self._area, self._select = [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        marks = {*(has.get("class") or "").split(), has.get("role")}
        if marks & TELLING:
            self._inside.append([tag, 0])
        elif self._inside and self._inside[-1][0] == tag:
            self._inside[-1][1] += 1
        self.has_heading = self.has_heading or tag == "h1"
        draw = getattr(self, f"_draw_{tag}", None)
        if draw:
            draw(has)

    def _draw_textarea(self, has):
        self._area = has.get("name")
        self.typed[self._area] = ""

    def _draw_select(self, has):
        self._select = has.get("name")
        self.offered.setdefault(self._select, set())

    def _draw_option(self, has):
        if self._select:
            self._offer(self._select, has.get("value", ""), "selected" in has)

    def _draw_input(self, has):
        if has.get("type") in {"radio", "checkbox"}:
            self._offer(has.get("name"), has.get("value", "on"), "checked" in has)
        elif has.get("type") not in {"hidden", "password", "file", "submit"}:
            self.typed[has.get("name")] = has.get("value") or ""

    def _offer(self, name, value, is_chosen):
        self.offered.setdefault(name, set()).add(value)
        if is_chosen:
            self.chosen.setdefault(name, set()).add(value)

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._area = None
        if tag == "select":
            self._select = None
        if self._inside and self._inside[-1][0] == tag:
            self._inside[-1][1] -= 1
            if self._inside[-1][1] < 0:
                self._inside.pop()

    def handle_data(self, data):
        if self._area:
            self.typed[self._area] += data
        if self._inside:
            self.told += data.strip()


def lost(page, posted, *, but):
    """What was posted, is asked for on the page, and stands in it no more."""
    gone = {}
    for name in set(posted) - but:
        value = posted.get(name)
        if name in page.typed and plain(page.typed[name]) != plain(value):
            gone[name] = (value, page.typed[name])
        if name in page.offered and value in page.offered[name] - page.chosen.get(name, set()):
            gone[name] = (value, page.chosen.get(name))
    return gone


def plain(text):
    """As a browser sends it back, and without the blanks around it."""
    return text.replace("\r\n", "\n").strip()


OURS = ("accounts", "account", "applications", "audit", "credentials", "gateway", "mail")
OURS += ("programs", "reviews")


def rows():
    """Each of our tables, as the number of its rows and a sum over what they hold."""
    tables = [
        model._meta.db_table
        for label in OURS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]
    sums = (
        f'SELECT %s, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM "{table}" t'
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sums), tables)
        return sorted(cursor.fetchall())


# --- The forms ---------------------------------------------------------------------------------


@dataclass
class Form:
    """Where it is sent, by whom, and what an honest person would send.

    `but` names the fields that are not given back on purpose. `shows` are words of a page that is
    the answer to a form taken, where that answer is no redirect. `writes` is false where a form
    taken leaves no row of ours.
    """

    client: Client
    address: str
    fields: dict[str, list[str]]
    but: set[str] = field(default_factory=set)
    shows: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    writes: bool = True

    def post(self, fields):
        """Send, and take back whatever it did."""
        cookies = self.client.cookies.output(header="")
        body = urlencode(fields, doseq=True, errors="surrogatepass")
        with transaction.atomic():
            answer = self.client.post(
                self.address, body, content_type=URLENCODED, headers=self.headers
            )
            after = rows()
            transaction.set_rollback(True)
        self.client.cookies = SimpleCookie(cookies)
        return answer, QueryDict(body), after

    def refuses(self, answer):
        taken = self.shows and self.shows in answer.text
        return answer.status_code >= 400 or (answer.status_code == 200 and not taken)


def check(form, answer, posted, *, before, after):
    assert answer.status_code < 500
    if not form.refuses(answer):
        return
    assert after == before, "rows were written"
    if answer.headers["Content-Type"].startswith("text/plain"):
        assert answer.text.strip()
        return
    page = Page(answer.text)
    if set(form.fields) & {*page.typed, *page.offered}:
        assert page.told, "the form does not say what is wrong"
        assert lost(page, posted, but=form.but) == {}
    else:
        assert page.has_heading, "no page for people"


FORMS: dict[str, Callable[[], Form]] = {}


def a_form(make):
    FORMS[make.__name__] = make
    return make


def listed(data):
    return {
        name: [str(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in data.items()
    }


def root():
    return signed_in(StaffFactory(is_superuser=True))


def writing():
    """A draft that asks a question of every kind, for somebody who belongs somewhere."""
    phase = stories.open_phase()
    ask_every_kind(phase)
    person = MembershipFactory().user
    return stories.draft(phase=phase, by=person), signed_in(person)


def part(name, **fields):
    application, client = writing()
    fields |= {"form.version": [str(application.version)]}
    return Form(client, f"/applications/{application.ref}/{name}/", fields)


@a_form
def answers():
    shown = " ".join(EVERY_KIND)
    return part("section/2", **listed(EVERY_KIND), **{"form.shown": [shown]})


@a_form
def answers_saved_while_typing():
    form = answers()
    form.headers, form.shows = {"HX-Request": "true"}, "form-state"
    return form


@a_form
def capabilities():
    return part("capabilities", scopes=[stories.STANDARD, stories.ELEVATED])


@a_form
def organization():
    return part("organisation", organization=[""])


@a_form
def terms():
    application, client = writing()
    latest = AgreementVersionFactory(release=application.phase.release, number=2)
    fields = {"signed_name": ["A. Person"], "sha256": [latest.sha256]}
    return Form(client, f"/applications/{application.ref}/agreement/", fields)


@a_form
def offer():
    application = stories.reviewed()
    latest = AgreementVersionFactory(release=application.phase.release, number=2)
    stories.approve(application)  # with terms unsigned, so that a place is offered
    fields = {"signed_name": ["A. Person"], "sha256": [latest.sha256]}
    return Form(signed_in(application.applicant), f"/access/offers/{application.ref}/", fields)


@a_form
def apply():
    return Form(signed_in(PersonFactory()), "/apply/", {"phase": [stories.open_phase().ref]})


@a_form
def message():
    application = stories.submitted()
    address = f"/applications/{application.ref}/messages/"
    return Form(signed_in(application.applicant), address, {"body": ["When will you know?"]})


@a_form
def appeal():
    application = declined()
    address = f"/applications/{application.ref}/appeal/"
    return Form(signed_in(application.applicant), address, {"text": ["You did not know this."]})


def declined():
    application = stories.reviewed()
    decline_application(
        application_id=application.pk,
        revision=1,
        reason_code="evidence_insufficient",
        text="Too little is said.",
        by=stories.decider(),
    )
    return stories.again(application)


@a_form
def claim():
    credential = stories.ready(by=PersonFactory())
    client = just_signed_in(credential.grant.holder)
    address = f"/access/keys/{credential.kid}/claim/"
    return Form(client, address, {"name": ["Workstation"]}, shows="tpk_")


def just_signed_in(person):
    client = through_the_front_door(Client(), person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@a_form
def rotate():
    scopes = [stories.STANDARD, stories.ELEVATED]
    credential, _token = make_live_key(grant__holder=PersonFactory(), grant__scopes=scopes)
    fields = {"name": ["Workstation"], "scopes": [stories.STANDARD], "overlap": ["24"]}
    client = just_signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/rotate/", fields, shows="tpk_")


@a_form
def try_out_key():
    grant = GrantFactory(holder=PersonFactory(), scopes=[stories.STANDARD, stories.ELEVATED])
    fields = {"name": ["Workstation"], "scopes": [stories.STANDARD]}
    address = f"/access/grants/{grant.ref}/test-key/"
    return Form(just_signed_in(grant.holder), address, fields, shows="tpk_")


@a_form
def rename_key():
    credential, _token = make_live_key()
    client = signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/rename/", {"name": ["Telescope"]})


@a_form
def revoke_own_key():
    credential, _token = make_live_key()
    client = signed_in(credential.grant.holder)
    return Form(client, f"/access/keys/{credential.kid}/revoke/", {"reason": ["key_leaked"]})


@a_form
def profile():
    fields = {"name": ["Ada"], "time_zone": ["Europe/Berlin"]}
    return Form(signed_in(PersonFactory()), "/accounts/profile/", fields)


@a_form
def new_organization():
    fields = {"name": ["Laboratory"], "website": ["https://example.org"], "country": ["DE"]}
    return Form(signed_in(PersonFactory()), "/accounts/organizations/", fields)


@a_form
def invite_colleague():
    place = MembershipFactory()
    address = f"/accounts/organizations/{place.organization.ref}/invite/"
    fields = {"email": ["guest@example.org"], "role": ["member"]}
    return Form(signed_in(place.user), address, fields)


@a_form
def change_role():
    place = MembershipFactory()
    member = MembershipFactory(organization=place.organization, role=MemberRole.MEMBER).user
    address = f"/accounts/organizations/{place.organization.ref}/members/{member.ref}/role/"
    return Form(signed_in(place.user), address, {"role": ["technical_contact"]})


@a_form
def sign_up():
    fields = {"email": ["new@example.org"], "name": ["Ada"], "password1": [PASSWORD]}
    return Form(Client(), "/accounts/signup/", fields)


@a_form
def sign_in():
    fields = {"login": [PersonFactory().email], "password": [PASSWORD]}
    return Form(Client(), "/accounts/login/", fields)


@a_form
def forgotten_password():
    return Form(
        Client(), "/accounts/password/reset/", {"email": [PersonFactory().email]}, writes=False
    )


@a_form
def another_address():
    fields = {"email": ["other@example.org"], "action_add": [""]}
    # The address is kept in the session until its code is typed.
    return Form(signed_in(PersonFactory()), "/accounts/email/", fields, writes=False)


@a_form
def new_password():
    fields = {
        "oldpassword": [PASSWORD],
        "password1": ["b" + PASSWORD],
        "password2": ["b" + PASSWORD],
    }
    return Form(signed_in(PersonFactory()), "/accounts/password/change/", fields)


# --- Staff's


def at_desk(verb, application=None, **fields):
    application = application or stories.reviewed()
    address = f"/admin/applications/application/{application.ref}/{verb}/"
    return Form(root(), address, listed(fields))


SCORES = dict.fromkeys(("score_need", "score_safeguards", "score_track_record"), "4")


@a_form
def review():
    return at_desk("review", revision=1, recommendation="approve", comment="Sound.", **SCORES)


@a_form
def approve():
    return at_desk("approve", revision=1, scopes=[stories.STANDARD], text="Welcome.")


@a_form
def decline():
    told = {"reason_code": "evidence_insufficient", "text": "Too little."}
    return at_desk("decline", revision=1, may_reapply_from="2030-01-31", **told)


@a_form
def waiting_list():
    return at_desk("waitlist", revision=1, text="A place is missing.")


@a_form
def request_changes():
    return at_desk("changes", revision=1, general="Say more.", about_purpose="Which alerts?")


@a_form
def reply():
    return at_desk("reply", body="Which alerts?")


@a_form
def declare_conflict():
    return at_desk("conflict", kind="real", detail="Kin.")


@a_form
def take():
    return at_desk("take", stories.submitted(), holder="")


@a_form
def resolve_conflict():
    made = ConflictOfInterest.objects.create(
        application=stories.in_review(), person=UserFactory(), kind="real", detail="Kin."
    )
    address = f"/admin/reviews/conflictofinterest/{made.ref}/resolve/"
    return Form(root(), address, {"resolution": ["recused"]})


@a_form
def release():
    capability = {"scope": "model:infer", "tier": "standard", "name": "Ask", "description": "Ask."}
    inline = {f"capabilities-0-{name}": value for name, value in capability.items()}
    data = release_data(**inline, **{"capabilities-TOTAL_FORMS": 1})
    return Form(root(), "/admin/programs/modelrelease/add/", listed(data))


@a_form
def phase_with_question():
    phase = stories.open_phase()
    asked = question(0, options="First\nSecond", condition_key="", condition_value="", help="")
    dates = {"opens_at_0": "2030-01-01", "opens_at_1": "09:00"}
    dates |= {"closes_at_0": "2030-02-01", "closes_at_1": "09:00"}
    data = phase_data(
        phase.release,
        *phase.capabilities.all()[:1],
        **asked,
        **{**dates, "order": 77, "questions-TOTAL_FORMS": 1},
    )
    return Form(root(), "/admin/programs/rolloutphase/add/", listed(data))


@a_form
def terms_published():
    of = stories.open_phase().release
    fields = {"release": [str(of.pk)], "title": ["Terms"], "text": ["Do no harm."]}
    return Form(root(), "/admin/programs/agreementversion/add/", fields)


@a_form
def gateway():
    of = stories.open_phase().release
    fields = {"name": ["Edge proxy"], "release": [str(of.pk)]}
    return Form(root(), "/admin/gateway/gateway/add/", fields, shows="Gateway registered")


@a_form
def revocation():
    credential, _token = make_live_key()
    fields = {
        "title": ["Keys in a dump"],
        "severity": ["high"],
        "kids": [credential.kid],
        "reason": ["key_leaked"],
        "note": ["Seen."],
        "release": [""],
        "phase": [""],
        "capability": [""],
        "organization": [""],
        "person": [""],
        "application": [""],
        "reviewer": [""],
        "issued_from": [""],
        "issued_until": [""],
        "used_from": [""],
        "used_until": [""],
        "exclusions": [""],
    }
    # What is no id may be a secret, so it is taken out.
    return Form(root(), "/admin/credentials/revocation/add/", fields, but={"kids"})


@a_form
def revocation_confirmed():
    credential, _token = make_live_key()
    case = preview_revocation(
        selector=Selector(kids=credential.kid),
        reason="key_leaked",
        note="",
        by=stories.responder(),
    )
    fields = {"typed_count": ["1"], "digest": [case.digest]}
    fields["typed_word"] = [word_of(case.digest)]
    client = root()
    make_fresh(client, get_user(client))
    return Form(client, f"/admin/credentials/revocation/{case.ref}/confirm/", fields)


@a_form
def revoke_a_key():
    credential, _token = make_live_key()
    address = f"/admin/credentials/credential/{credential.kid}/revoke/"
    return Form(root(), address, {"reason": ["key_leaked"]})


@a_form
def verification():
    address = f"/admin/accounts/organization/{OrganizationFactory().ref}/record_verification/"
    fields = {
        "kind": ["organisation"],
        "source": ["A register"],
        "evidence": ["Seen."],
        "valid_until": ["2030-01-31"],
    }
    return Form(root(), address, fields)


@a_form
def staff_roles():
    address = f"/admin/accounts/user/{PersonFactory().ref}/set_staff_roles/"
    return Form(root(), address, {"roles": ["reviewer", "auditor"]})


@pytest.mark.parametrize("name", FORMS)
def test_whatever_is_sent_is_taken_or_refused_in_words_with_nothing_lost(name):
    form = FORMS[name]()
    before = rows()
    # An honest one is taken: else the rest would look at a door that is shut anyway.
    honest, _posted, after = form.post(form.fields)
    assert not form.refuses(honest), Page(honest.text).told
    assert (after != before) is form.writes, honest.headers

    @TRIES
    @given(fields=sent(form.fields))
    def try_one(fields):
        answer, posted, after = form.post(fields)
        check(form, answer, posted, before=before, after=after)

    try_one()


@pytest.mark.parametrize("name", ["profile", "new_organization", "gateway", "verification"])
def test_a_form_sent_empty_says_what_is_missing(name):
    form = FORMS[name]()
    before = rows()
    answer, posted, after = form.post({})
    check(form, answer, posted, before=before, after=after)
    assert "This field is required." in Page(answer.text).told


@pytest.mark.parametrize("name", ["terms", "offer"])
def test_the_name_typed_under_other_terms_is_kept(name):
    form = FORMS[name]()
    answer, _posted, _after = form.post({**form.fields, "sha256": ["0" * 64]})
    page = Page(answer.text)
    assert (answer.status_code, page.typed) == (409, {"signed_name": "A. Person"})


def test_what_is_sent_was_on_the_page_whatever_that_says_about_itself():
    form = answers()
    before = rows()
    answer, _posted, after = form.post({**form.fields, "form.shown": []})
    assert (form.refuses(answer), after == before) == (False, False)
    stale = {"form.shown": ["nonsense"], "form.version": ["0"]}
    answer, posted, after = form.post({**form.fields, **stale})
    assert (answer.status_code, lost(Page(answer.text), posted, but=set())) == (409, {})
    assert after == before
