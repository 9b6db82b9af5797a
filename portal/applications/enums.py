"""States of an application and who holds the pen."""

from django.db.models import TextChoices


class ApplicationStatus(TextChoices):
    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    IN_REVIEW = "in_review", "In review"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    WAITLISTED = "waitlisted", "Waitlisted"
    APPROVED = "approved", "Approved"
    GRANTED = "granted", "Granted"
    LAPSED = "lapsed", "Lapsed"
    DECLINED = "declined", "Declined"
    APPEALED = "appealed", "Appealed"
    DECLINED_FINAL = "declined_final", "Declined, final"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


class Holder(TextChoices):
    """Whose turn it is."""

    APPLICANT = "applicant", "You"
    STAFF = "staff", "Our reviewers"
    NOBODY = "nobody", "Nobody"
