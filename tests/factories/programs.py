"""Releases, phases, agreements and signatures."""

import hashlib

import factory

from portal.programs.enums import QuestionKind
from portal.programs.models import (
    AgreementVersion,
    Capability,
    ModelRelease,
    Question,
    RolloutPhase,
    Signature,
)
from tests.factories.accounts import UserFactory


class ModelReleaseFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ModelRelease

    slug = factory.Sequence(lambda n: f"model-{n}")
    name = factory.Sequence(lambda n: f"Model {n}")
    summary = "A model."
    risk_statement = "It could be misused."
    audience = factory.LazyAttribute(lambda release: f"https://{release.slug}.example.org")


class CapabilityFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Capability

    release = factory.SubFactory(ModelReleaseFactory)
    scope = "model:infer"
    name = "Inference"
    description = "Ask the model."
    tier = "standard"

    @classmethod
    def _create(cls, model_class, **given):
        """GrantFactory may have made it as something harmless."""
        known = ["release", "scope"]
        (capability,) = model_class.objects.bulk_create(
            [model_class(**given)],
            update_conflicts=True,
            unique_fields=known,
            update_fields=[name for name in given if name not in known],
        )
        return capability


class RolloutPhaseFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = RolloutPhase

    release = factory.SubFactory(ModelReleaseFactory)
    order = factory.Sequence(lambda n: n)
    name = "Early partners"
    audience = "Defenders"
    capacity = 10


class AgreementVersionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = AgreementVersion

    release = factory.SubFactory(ModelReleaseFactory)
    number = 1
    title = "Terms of use"
    text = factory.LazyAttribute(lambda agreement: f"Terms, version {agreement.number}.")
    sha256 = factory.LazyAttribute(lambda a: hashlib.sha256(a.text.encode()).hexdigest())
    published_by = factory.SubFactory(UserFactory)


class SignatureFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Signature

    agreement = factory.SubFactory(AgreementVersionFactory)
    user = factory.SubFactory(UserFactory)
    sha256 = factory.SelfAttribute("agreement.sha256")
    signed_name = "A. Person"


class QuestionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Question

    phase = factory.SubFactory(RolloutPhaseFactory)
    key = factory.Sequence(lambda n: f"question-{n}")
    section = "Use case"
    order = factory.Sequence(lambda n: 100 + n)
    kind = "short_text"
    prompt = factory.LazyAttribute(lambda question: f"Prompt of {question.key}?")


OPTIONS = ["First", "Second"]


def ask_every_kind(phase):
    """A question of each kind on the phase's second page, `detail` only after a yes."""
    for kind in QuestionKind:
        options = OPTIONS if kind in ("choice", "choices") else []
        QuestionFactory(
            phase=phase, key=kind.value, section="Every kind", kind=kind, options=options
        )
    QuestionFactory(
        phase=phase,
        key="detail",
        section="Every kind",
        condition_key="yes_no",
        condition_value="yes",
    )


EVERY_KIND = {
    "short_text": "One line",
    "long_text": "Several\nlines",
    "choice": "First",
    "choices": ["First", "Second"],
    "yes_no": "no",
    "number": "12",
    "date": "2030-01-31",
    "url": "https://example.org/page",
}
