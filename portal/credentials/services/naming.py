"""What people call their keys, so that they can tell one from another."""

from django.db import transaction

from accounts.models import User
from portal.credentials import policies
from portal.credentials.models import Credential
from portal.credentials.services.moving import lock_grant, record_credential
from portal.redaction import redact


@transaction.atomic
def rename_credential(*, kid: str, name: str, by: User) -> Credential:
    """Give a live key another name, or none. The log says that it was done, not the name."""
    credential = Credential.objects.get(kid=kid)
    grant = lock_grant(credential.grant_id)
    credential = Credential.objects.select_for_update().get(pk=credential.pk)
    credential.grant = grant
    policies.can_rename_credential(by, credential).enforce()
    if credential.name != as_name(name):
        credential.name = as_name(name)
        credential.save(update_fields=["name"])
        record_credential("credential.renamed", credential, by=by)
    return credential


def as_name(text: str) -> str:
    """At most 100 characters, and not the key itself, should somebody have pasted it there."""
    return redact(text.strip())[:100]
