"""Staff in their roles, and reviews as they stand."""

import factory
from django.contrib.auth.models import Group

from portal.reviews.enums import Recommendation
from portal.reviews.models import Review
from tests.factories.accounts import UserFactory


def staff(role, **fields):
    """A person with one staff role, as the site's groups give it."""
    user = UserFactory(is_staff=True, **fields)
    user.groups.add(Group.objects.get(name=role))
    return user


class ReviewFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Review

    reviewer = factory.SubFactory(UserFactory)
    recommendation = Recommendation.APPROVE
    score_need = 4
    score_safeguards = 3
    score_track_record = 5
    comment = "Sound."
