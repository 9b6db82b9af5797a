"""The standing oracle is not content with everything."""

import pytest

from portal.credentials.secrets import mint, new_kid
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.credentials import make_live_key
from tests.faults import oracle


def key_in_a_mail():
    token = mint(new_kid()).token
    return OutgoingMail.objects.create(to="ada@example.org", template="x/y", context={"k": token})


def key_in_a_column_of_bytes():
    return make_live_key(digest=mint(new_kid()).token.encode())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "asked"),
    [
        (key_in_a_mail, oracle.assert_no_key_in_any_store),
        (key_in_a_column_of_bytes, oracle.assert_no_key_in_any_store),
        (make_live_key, oracle.assert_all_in_order),  # nothing tells of its birth
        (lambda: stories.opened(times=1), oracle.assert_nothing_unfinished),
    ],
)
def test_it_notices(wrong, asked):
    asked()
    wrong()
    with pytest.raises(AssertionError):
        asked()
