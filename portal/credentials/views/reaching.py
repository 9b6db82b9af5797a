"""How every page about a grant or key finds it; what one may not see does not exist."""

from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts.requests import SignedInRequest
from portal.credentials.models import Credential, Grant
from portal.credentials.selectors import visible_grants


def visible_grant(request: SignedInRequest, ref: str) -> Grant:
    return get_object_or_404(visible_grants(request.user), ref=ref)


def visible_key(request: SignedInRequest, kid: str) -> Credential:
    grant = visible_grants(request.user).filter(credentials__kid=kid).first()
    if grant is None:
        raise Http404
    credential = next(key for key in grant.credentials.all() if key.kid == kid)
    credential.grant = grant
    return credential
