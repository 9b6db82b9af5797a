"""Applications."""

import factory

from portal.applications.models import Application
from tests.factories.accounts import UserFactory
from tests.factories.programs import RolloutPhaseFactory


class ApplicationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Application

    phase = factory.SubFactory(RolloutPhaseFactory)
    applicant = factory.SubFactory(UserFactory)
