"""Forty applications in every state, each brought there by the services people use.

Every path begins as a draft and is cut off where the state is reached.
"""

from dataclasses import dataclass, field
from datetime import date
from uuid import uuid4

from django.utils import timezone

from accounts.models import User
from portal.applications import services as applications
from portal.applications.models import Application
from portal.audit.services import System
from portal.credentials import services as credentials
from portal.credentials.models import Credential, Grant
from portal.credentials.services.using import store_uses
from portal.credentials.targets import Selector
from portal.demo import texts
from portal.demo.clock import Calendar
from portal.programs import services as programs
from portal.programs.models import ModelRelease, RolloutPhase
from portal.programs.selectors import current_agreement
from portal.reviews import services as reviews

NEW_TERMS_DAY = -35
INFER = ["model:infer"]
TRIAGE = ["cyber:vulnerability-triage", "model:infer"]
ANALYSIS = ["cyber:exploit-analysis", "model:infer"]
SIMULATION = ["cyber:attack-simulation", "model:infer"]
WORKER = System("worker")
CLOCK = System("clock")
SANDBOX = System("sandbox")
SOUND = {"score_need": 4, "score_safeguards": 4, "score_track_record": 5}


@dataclass
class Cast:
    """Who is there to act, and the people still without an application."""

    staff: dict[str, User]
    calendar: Calendar
    release: ModelRelease
    waiting: list[User] = field(default_factory=list)
    played: int = 0

    def next_person(self) -> tuple[User, int]:
        """The next one without an application, and how many came before."""
        self.played += 1
        return self.waiting.pop(0), self.played - 1


def play(cast: Cast) -> None:
    """Bring all forty to where they stand."""
    early, research = cast.release.phases.order_by("order")[:2]
    first = cast.waiting.pop(0)
    _play_offers(cast, research)
    cast.waiting.insert(0, first)  # signs the new terms, or the key would be blocked when claimed
    _granted(cast, research, scopes=TRIAGE, day=-3)
    for number in range(6):
        _active(cast, early, scopes=TRIAGE if number % 2 else INFER, day=-27 + number)
    for number in range(13):
        _active(cast, research, scopes=(INFER, TRIAGE, ANALYSIS)[number % 3], day=-26 + number)
    _active(cast, research, scopes=SIMULATION, day=-13)  # to revoke it takes two
    _play_revoked(cast, research)
    _play_undecided(cast, research)
    _play_declined(cast, research)
    _play_closed(cast, research)
    _play_use(cast)


def _play_use(cast: Cast) -> None:
    """Thirty days of calls with the keys that were claimed by then, as a gateway reports them."""
    keys = list(Credential.objects.exclude(claimed_at=None).select_related("grant"))
    for back in reversed(range(30)):
        with cast.calendar.on_day(-back):
            now = timezone.now()
            working = [
                key
                for key in keys
                if (key.claimed_at or now) < now and (key.revoked_at or now) >= now
            ]
            entries = [_used(key, now.date()) for key in working]
            credentials.record_usage(
                report=uuid4(), entries=entries, audience=cast.release.audience, by=SANDBOX
            )
            used = zip(working, entries, strict=True)
            known = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
            store_uses(uses={key.kid: known for key, entry in used if entry.requests})


def _used(key: Credential, day: date) -> credentials.Usage:
    """More on some days than on others, little at weekends, and always the same."""
    requests = (key.pk * 17 + day.toordinal() * 29) % (12 if day.weekday() > 4 else 90)
    tokens = requests * (250 + key.pk * 131 % 900)
    return credentials.Usage(key.grant.ref, day, requests, tokens, refused=requests // 80)


def _play_offers(cast: Cast, phase: RolloutPhase) -> None:
    """Two signed the first terms; new ones came before their approval, so each got an offer."""
    lapsed = _reviewed(cast, phase, scopes=INFER, day=NEW_TERMS_DAY - 3)
    standing = _reviewed(cast, phase, scopes=TRIAGE, day=NEW_TERMS_DAY - 2)
    with cast.calendar.on_day(NEW_TERMS_DAY):
        programs.publish_agreement(
            release_id=cast.release.pk,
            title=texts.AGREEMENT_TITLE,
            text=texts.AGREEMENT_NEXT,
            by=cast.staff["programme_manager"],
        )
    _approve(cast, lapsed, day=NEW_TERMS_DAY + 1)
    with cast.calendar.on_day(NEW_TERMS_DAY + 16):
        applications.expire_applications(by=CLOCK)
    _approve(cast, standing, day=-4)


def _play_revoked(cast: Cast, phase: RolloutPhase) -> None:
    """One key leaked and was revoked, through a case; two days later its holder got a new one."""
    grant = _active(cast, phase, scopes=INFER, day=-15)
    responder = cast.staff["incident_responder"]
    with cast.calendar.on_day(-6):
        case = credentials.preview_revocation(
            selector=Selector(person=grant.holder.ref),
            reason="key_leaked",
            title="A key in a public build log",
            severity="high",
            note="Found in a public build log; the holder was told by telephone.",
            by=responder,
        )
        credentials.start_revocation(
            revocation_id=case.pk,
            digest=case.digest,
            typed_count=str(case.count),
            typed_word=credentials.word_of(case.digest),
            by=responder,
        )
        credentials.finish_revocation(revocation_id=case.pk, by=WORKER)
        credentials.prove_revocation(revocation_id=case.pk, by=WORKER)
    with cast.calendar.on_day(-4):
        reissue = credentials.preview_reissue(
            revocation_id=case.pk,
            note="The build log is gone, and builds mask keys now.",
            by=responder,
        )
        credentials.start_reissue(
            reissue_id=reissue.pk,
            digest=reissue.digest,
            typed_count=str(reissue.count),
            typed_word=credentials.reissue_word_of(reissue.digest),
            by=responder,
        )
        credentials.finish_reissue(reissue_id=reissue.pk, by=WORKER)


def _play_undecided(cast: Cast, phase: RolloutPhase) -> None:
    """Two submitted, four in review with more or fewer opinions, one asked for changes, one
    waiting for a place, and two drafts.
    """
    reviewer, decider = cast.staff["reviewer"], cast.staff["decider"]
    for day, scopes in ((-12, TRIAGE), (-2, ANALYSIS)):
        _submitted(cast, phase, scopes=scopes, day=day)
    _conflict(cast, _taken(cast, phase, scopes=SIMULATION, day=-9), day=-8)
    _reviewed(cast, phase, scopes=INFER, day=-4)  # one that only waits for the decision
    _review(cast, _taken(cast, phase, scopes=SIMULATION, day=-6), by=reviewer, day=-5)
    _review(cast, _taken(cast, phase, scopes=ANALYSIS, day=-5), by=reviewer, day=-3)
    changes = _taken(cast, phase, scopes=ANALYSIS, day=-8)
    with cast.calendar.on_day(-6):
        reviews.request_changes(
            application_id=changes.pk,
            revision=1,
            notes={"storage": "Name who can read the secret store, and how you would notice."},
            by=reviewer,
        )
    waitlisted = _reviewed(cast, phase, scopes=INFER, day=-20)
    with cast.calendar.on_day(-18):
        reviews.waitlist_application(
            application_id=waitlisted.pk,
            revision=1,
            text="A sound application; we come back to it when a place frees.",
            by=decider,
        )
    _draft(cast, phase, scopes=INFER, day=-10)
    _draft(cast, phase, scopes=INFER, day=-1, complete=False)


def _play_declined(cast: Cast, phase: RolloutPhase) -> None:
    """Two declined, one appealed, one declined for good."""
    for day in (-22, -16):
        _decline(cast, _taken(cast, phase, scopes=SIMULATION, day=day), by="decider", day=day + 3)
    appeals = [_taken(cast, phase, scopes=INFER, day=day) for day in (-25, -21)]
    for application in appeals:
        _decline(cast, application, by="reviewer", day=-17)
        with cast.calendar.on_day(-12):
            applications.appeal_application(
                application_id=application.pk,
                text="We have since moved the keys to a hardware module; please look again.",
                by=application.applicant,
            )
    _decline(cast, appeals[0], by="decider", day=-7)


def _play_closed(cast: Cast, phase: RolloutPhase) -> None:
    """One withdrawn by the applicant, one draft that ran out."""
    withdrawn = _submitted(cast, phase, scopes=TRIAGE, day=-14)
    with cast.calendar.on_day(-11):
        applications.withdraw_application(application_id=withdrawn.pk, by=withdrawn.applicant)
    _draft(cast, phase, scopes=INFER, day=-70, complete=False)
    applications.expire_applications(by=CLOCK)


def _draft(
    cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float, complete: bool = True
) -> Application:
    person, number = cast.next_person()
    with cast.calendar.on_day(day):
        application = applications.start_application(phase_id=phase.pk, by=person)
        organization = person.organizations.first()
        return applications.save_answers(
            application_id=application.pk,
            version=application.version,
            by=person,
            answers=_answers(number) if complete else {"use": texts.USES[number % 5]},
            scopes=scopes,
            organization_ref=organization.ref if organization else "",
        )


def _submitted(cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float) -> Application:
    application = _draft(cast, phase, scopes=scopes, day=day - 1)
    person = application.applicant
    with cast.calendar.on_day(day):
        agreement = current_agreement(cast.release)
        if agreement:
            programs.sign_agreement(
                agreement_id=agreement.pk,
                sha256=agreement.sha256,
                signed_name=person.name,
                by=person,
            )
        applications.submit_application(application_id=application.pk, by=person)
    return application


def _taken(cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float) -> Application:
    application = _submitted(cast, phase, scopes=scopes, day=day)
    with cast.calendar.on_day(day + 0.5):
        reviews.take_application(application_id=application.pk, by=cast.staff["reviewer"])
    return application


def _reviewed(cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float) -> Application:
    """Taken, and recommended by as many as its approval needs. At the critical tier whoever
    decides is none of them.
    """
    application = _taken(cast, phase, scopes=scopes, day=day)
    _review(cast, application, by=cast.staff["reviewer"], day=day + 1)
    if scopes in (ANALYSIS, SIMULATION):
        by = cast.staff["decider" if scopes == ANALYSIS else "second_reviewer"]
        _review(cast, application, by=by, day=day + 1.5)
    return application


def _review(cast: Cast, application: Application, *, by: User, day: float) -> None:
    with cast.calendar.on_day(day):
        reviews.record_review(
            application_id=application.pk,
            revision=1,
            recommendation="approve",
            scores=SOUND,
            comment="Clear defensive use, safeguards described and plausible.",
            by=by,
        )


def _conflict(cast: Cast, application: Application, *, day: float) -> None:
    """The decider once worked with the applicant and says so."""
    with cast.calendar.on_day(day):
        reviews.declare_conflict(
            application_id=application.pk,
            kind="apparent",
            detail="We wrote a paper together four years ago.",
            by=cast.staff["decider"],
        )


def _approve(cast: Cast, application: Application, *, day: float) -> Application:
    application.refresh_from_db()
    with cast.calendar.on_day(day):
        return reviews.approve_application(
            application_id=application.pk,
            revision=1,
            scopes=application.scopes,
            text="Welcome. Please tell us early what works and what does not.",
            by=cast.staff["decider"],
        )


def _decline(cast: Cast, application: Application, *, by: str, day: float) -> None:
    with cast.calendar.on_day(day):
        reviews.decline_application(
            application_id=application.pk,
            revision=1,
            reason_code="safeguards_insufficient",
            text="The application does not yet say who can reach the key, or how misuse is seen.",
            may_reapply_from=cast.calendar.moment(30).date(),
            by=cast.staff[by],
        )


def _granted(cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float) -> Grant:
    """Approved, and the worker has made the key's slot ready."""
    application = _approve(cast, _reviewed(cast, phase, scopes=scopes, day=day - 3), day=day)
    with cast.calendar.on_day(day):
        credentials.issue_credential(grant_id=application.grant.pk, by=WORKER)
    return application.grant


def _active(cast: Cast, phase: RolloutPhase, *, scopes: list[str], day: float) -> Grant:
    """Granted, and the key claimed; what it said is thrown away here."""
    grant = _granted(cast, phase, scopes=scopes, day=day)
    with cast.calendar.on_day(day + 1):
        key = grant.credentials.get()
        credentials.claim_credential(kid=key.kid, by=grant.holder, name="Build server")
    return grant


def _answers(number: int) -> dict[str, str | int | list[str]]:
    return {
        "use": texts.USES[number % len(texts.USES)],
        "beneficiaries": ["The public"] if number % 2 else ["Our customers", "The public"],
        "duration": 8 + number % 20,
        "public_results": "yes" if number % 3 else "no",
        "storage": texts.SAFEGUARDS,
        "monitoring": "Logs kept and reviewed",
        "authorisation": "yes",
        "track_record": texts.RECORDS,
    }
