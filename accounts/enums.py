"""Names of roles and kinds of proof."""

from django.db.models import TextChoices


class MemberRole(TextChoices):
    """What a person is for an organisation. An owner may invite and remove."""

    OWNER = "owner", "Owner"
    MEMBER = "member", "Member"
    TECHNICAL_CONTACT = "technical_contact", "Technical contact"
    SIGNING_OFFICIAL = "signing_official", "Signing official"


class StaffRole(TextChoices):
    """Django groups made by migration; approving never needs superuser."""

    REVIEWER = "reviewer", "Reviewer"
    DECIDER = "decider", "Decider"
    PROGRAMME_MANAGER = "programme_manager", "Programme manager"
    INCIDENT_RESPONDER = "incident_responder", "Incident responder"
    INCIDENT_LEAD = "incident_lead", "Incident lead"
    AUDITOR = "auditor", "Auditor"


class VerificationKind(TextChoices):
    IDENTITY = "identity", "Identity"
    AFFILIATION = "affiliation", "Affiliation"
    TRACK_RECORD = "track_record", "Track record"
    ORGANISATION = "organisation", "Organisation"
