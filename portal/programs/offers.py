"""A phase as the public reads it: open or not, for whom, what is asked, places left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.programs.models import ModelRelease, Question, RolloutPhase
from portal.programs.policies import phase_is_open

# What a refusal of phase_is_open looks like beside the phase's name: (state, words).
CLOSED = {
    "not_yet_open": ("scheduled", "Opens later"),
    "phase_halted": ("halted", "Paused"),
    "closed": ("locked", "Closed"),
}
NOT_OPEN = ("locked", "Not open")
_ORDER = ("open", "waitlisted", "scheduled", "halted", "locked")


@dataclass(frozen=True)
class Offer:
    """One phase on the landing page."""

    phase: RolloutPhase
    status: str
    label: str
    explanation: str  # why not now; empty while it is open
    places_left: int
    sections: list[str]
    questions: int

    @property
    def is_open(self) -> bool:
        return self.status in ("open", "waitlisted")


@dataclass(frozen=True)
class Offers:
    """A release with its phases: those one can apply to, and the others, the nearest first."""

    release: ModelRelease
    open: list[Offer]
    closed: list[Offer]


def offers(release: ModelRelease, *, taken: Mapping[int, int]) -> Offers:
    """`taken` counts the places gone, by the phase's id."""
    made = [offer(phase, taken=taken.get(phase.pk, 0)) for phase in release.phases.all()]
    made.sort(key=lambda each: (_ORDER.index(each.status), each.phase.order))
    return Offers(
        release=release,
        open=[each for each in made if each.is_open],
        closed=[each for each in made if not each.is_open],
    )


def offer(phase: RolloutPhase, *, taken: int) -> Offer:
    verdict, left = phase_is_open(phase), max(phase.capacity - taken, 0)
    if verdict:
        status, label = ("open", "Open") if left else ("waitlisted", "Waiting list")
    else:
        status, label = CLOSED.get(verdict.code, NOT_OPEN)
    questions = list(phase.questions.all())
    return Offer(
        phase=phase,
        status=status,
        label=label,
        explanation=verdict.reason,
        places_left=left,
        sections=section_names(questions),
        questions=len(questions),
    )


def section_names(questions: Iterable[Question]) -> list[str]:
    """The form's pages, in the order their first question comes."""
    return list(dict.fromkeys(question.section for question in questions))
