"""Every write about gateways, and the note of a key seen where it could leak."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from portal.audit.selectors import events_about
from portal.audit.services import Actor, record_event
from portal.constraints import refused_by
from portal.credentials.models import Credential
from portal.errors import Conflict
from portal.gateway import authentication, policies
from portal.gateway.models import Gateway
from portal.peppers import Rehashed
from portal.programs.models import ModelRelease

LEAK = "credential.leak_suspected"
QUIET = timedelta(hours=1)


@sensitive_variables("secret")
@transaction.atomic
def register_gateway(
    *, release_id: int, name: str, by: User, sandbox: bool = False
) -> tuple[Gateway, str]:
    """Let a machine ask about the keys of one release, as a sandbox about test keys, too.

    Returns the gateway and its secret, which is stored nowhere: show it once.
    """
    policies.can_register_gateway(by).enforce()
    release = ModelRelease.objects.select_for_update().get(pk=release_id)
    gateway = Gateway(name=name, release=release, sandbox=sandbox, registered_by=by)
    secret = _new_secret(gateway)
    try:
        with transaction.atomic():
            gateway.save(force_insert=True)
    except IntegrityError as error:  # of two at once, too, the database lets one pass
        if refused_by(error) != "gateway_name_once":
            raise
        message = "A gateway has this name already; choose another."
        raise Conflict("name_taken", message) from error
    _record("gateway.registered", gateway, by)
    return gateway, secret


@sensitive_variables("secret")
@transaction.atomic
def rotate_gateway_secret(*, gateway_id: int, by: User) -> str:
    """Replace the secret; the old one stops at commit. Returns the new one, shown once."""
    gateway = _locked(gateway_id)
    policies.can_rotate_gateway_secret(by, gateway).enforce()
    secret = _new_secret(gateway)
    gateway.save(update_fields=["digest", "pepper_version"])
    _record("gateway.secret_rotated", gateway, by)
    return secret


@transaction.atomic
def disable_gateway(*, gateway_id: int, by: User) -> Gateway:
    """Refuse this machine from commit on, for good."""
    gateway = _locked(gateway_id)
    policies.can_disable_gateway(by, gateway).enforce()
    gateway.disabled_at, gateway.disabled_by = timezone.now(), by
    gateway.save(update_fields=["disabled_at", "disabled_by"])
    _record("gateway.disabled", gateway, by)
    return gateway


@transaction.atomic
def store_rehashed_secrets(*, rehashed: Mapping[str, Rehashed]) -> None:
    """By client id, hashes under a newer pepper, each where the older one still stands."""
    for client_id, new in sorted(rehashed.items()):
        Gateway.objects.filter(client_id=client_id, digest=new.old).update(
            pepper_version=new.version, digest=new.digest
        )


@transaction.atomic
def report_suspected_leak(*, kid: str, place: str, by: Actor) -> bool:
    """Note that this key was sent where logs and histories keep it; whether it was noted.

    At most once an hour a key, decided under the key's lock, so that a script that does it at
    every call does not fill the log.
    """
    key = (
        Credential.objects.select_for_update(of=("self",))
        .select_related("grant__application")
        .get(kid=kid)
    )
    thread = key.grant.application.ref
    told = events_about(kid, thread=thread).filter(kind=LEAK, at__gt=timezone.now() - QUIET)
    if told.exists():
        return False
    record_event(LEAK, subject=kid, thread=thread, by=by, payload={"place": place})
    return True


def _locked(gateway_id: int) -> Gateway:
    return (
        Gateway.objects.select_for_update(of=("self",)).select_related("release").get(pk=gateway_id)
    )


def _new_secret(gateway: Gateway) -> str:
    secret = authentication.new_secret()
    gateway.pepper_version, gateway.digest = authentication.hash_secret(gateway.client_id, secret)
    return secret


def _record(kind: str, gateway: Gateway, by: User) -> None:
    record_event(kind, subject=gateway.client_id, thread=gateway.release.ref, by=by)
