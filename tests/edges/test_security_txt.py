"""Where a researcher who found a hole writes to (RFC 9116)."""

from datetime import UTC, datetime

import time_machine


@time_machine.travel(datetime(2031, 3, 1, 12, 30, 5, tzinfo=UTC), tick=False)
def test_it_names_the_contact_and_holds_for_half_a_year(client, settings):
    settings.SECURITY_CONTACT = "mailto:security@portal.example"
    settings.BASE_URL = "https://portal.example"
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode().splitlines() == [
        "Contact: mailto:security@portal.example",
        "Expires: 2031-08-28T12:30:05Z",
        "Preferred-Languages: en",
        "Canonical: https://portal.example/.well-known/security.txt",
    ]
