"""Risk tiers and kinds of question."""

from django.db.models import TextChoices


class RiskTier(TextChoices):
    """How much harm a capability could do; sets how many people must say yes."""

    STANDARD = "standard", "Standard"
    ELEVATED = "elevated", "Elevated"
    CRITICAL = "critical", "Critical"


# What a phase may ask for at least. At the critical tier whoever decides comes on top of them.
LEAST_REVIEWERS = {RiskTier.STANDARD: 1, RiskTier.ELEVATED: 2, RiskTier.CRITICAL: 2}


class QuestionKind(TextChoices):
    SHORT_TEXT = "short_text", "One line"
    LONG_TEXT = "long_text", "Several lines"
    CHOICE = "choice", "One of several"
    CHOICES = "choices", "Any of several"
    YES_NO = "yes_no", "Yes or no"
    NUMBER = "number", "Whole number"
    DATE = "date", "Date"
    URL = "url", "Web address"
