"""Recommendations, outcomes, conflicts."""

from django.db.models import TextChoices


class Recommendation(TextChoices):
    """A reviewer's opinion; never a decision."""

    APPROVE = "approve", "Approve"
    DECLINE = "decline", "Decline"


class Outcome(TextChoices):
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    WAITLISTED = "waitlisted", "Waitlisted"
    DECLINED_FINAL = "declined_final", "Declined, final"


class DecisionReason(TextChoices):
    MEETS_CRITERIA = "meets_criteria", "Meets the phase's criteria"
    OUTSIDE_AUDIENCE = "outside_audience", "Outside who this phase is for"
    SAFEGUARDS_INSUFFICIENT = "safeguards_insufficient", "Safeguards not sufficient"
    EVIDENCE_INSUFFICIENT = "evidence_insufficient", "Not enough evidence"
    RISK_TOO_HIGH = "risk_too_high", "Risk too high for this phase"
    NO_PLACE = "no_place", "No place free in this phase"


class ConflictKind(TextChoices):
    REAL = "real", "Real"
    APPARENT = "apparent", "Apparent"
    POTENTIAL = "potential", "Potential"


class ConflictResolution(TextChoices):
    OPEN = "open", "Open"
    RECUSED = "recused", "Recused"
    WAIVED = "waived", "Waived"
