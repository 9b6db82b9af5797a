"""The demo's release, capabilities, phases, questions and terms."""

from accounts.models import User
from portal.demo import texts
from portal.demo.clock import Calendar
from portal.programs import services
from portal.programs.models import Capability, ModelRelease, Question, RolloutPhase


def make_programme(*, calendar: Calendar, by: User) -> ModelRelease:
    """One release with four capabilities over three tiers, and three phases, one of them open."""
    with calendar.on_day(-100):
        release = ModelRelease(**texts.RELEASE)
        services.save_setting(setting=release, by=by)
        for scope, name, description, tier in texts.CAPABILITIES:
            capability = Capability(
                release=release, scope=scope, name=name, description=description, tier=tier
            )
            services.save_setting(setting=capability, by=by)
        for order, phase in enumerate(texts.PHASES, start=1):
            _make_phase(release, order, phase, calendar=calendar, by=by)
        services.publish_agreement(
            release_id=release.pk, title=texts.AGREEMENT_TITLE, text=texts.AGREEMENT, by=by
        )
        services.publish_release(release_id=release.pk, by=by)
    return release


def _make_phase(
    release: ModelRelease,
    order: int,
    words: tuple[str, str, int, list[str], int, int | None],
    *,
    calendar: Calendar,
    by: User,
) -> None:
    name, audience, capacity, scopes, opens, closes = words
    phase = RolloutPhase(
        release=release,
        order=order,
        name=name,
        audience=audience,
        capacity=capacity,
        opens_at=calendar.moment(opens),
        closes_at=None if closes is None else calendar.moment(closes),
    )
    services.save_setting(setting=phase, by=by)
    services.set_ceiling(phase_id=phase.pk, scopes=scopes, by=by)
    for place, (key, section, kind, prompt, help_text, required, options) in enumerate(
        texts.QUESTIONS, start=1
    ):
        question = Question(
            phase=phase,
            key=key,
            section=section,
            order=place,
            kind=kind,
            prompt=prompt,
            help=help_text,
            required=required,
            options=options,
        )
        services.save_setting(setting=question, by=by)
