"""How often the pages of signing up and in may be tried, as allauth writes it: so many a time, by
address (`ip`), by account (`user`) or by what is typed (`key`). Read by the settings.
"""

ENTRANCES = {
    # An office behind one address signs in within the same minutes; a guesser is slowed.
    "login": "30/m/ip",
    # Wrong passwords and wrong second factors: five for one account, whoever tries.
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "20/m/ip",
    # One mail with a code per address and ten seconds: nobody's mailbox is flooded by us.
    "confirm_email": "1/10s/key",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
}
PASSKEYS = {"webauthn_login": "10/m/ip"}
