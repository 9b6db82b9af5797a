"""The first staff come from a shell."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from portal.audit.models import Event

pytestmark = pytest.mark.django_db


def test_makes_the_account_and_gives_exactly_these_roles():
    out = StringIO()
    call_command("make_staff", "Pim@Example.org", name="Pim", role=["auditor"], stdout=out)
    call_command("make_staff", "pim@example.org", name="Pim", role=["reviewer"], stdout=out)

    user = User.objects.get()
    assert (user.email, user.is_staff, user.is_superuser) == ("pim@example.org", True, False)
    assert list(user.groups.values_list("name", flat=True)) == ["reviewer"]
    assert list(Event.objects.order_by("id").values_list("kind", "actor")) == [
        ("user.signed_up", "system:shell"),
        ("staff.roles_changed", "system:shell"),
        ("staff.roles_changed", "system:shell"),
    ]
    assert "Forgot your password?" in out.getvalue()


def test_refuses_an_unusable_name_in_words():
    with pytest.raises(CommandError, match="name"):
        call_command("make_staff", "pim@example.org", name="   ", role=["auditor"])
    assert User.objects.count() == 0
