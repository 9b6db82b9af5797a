"""A database full of keys in use, written set-based: what takes minutes here helps nobody.

Rows are as the services write them, as far as the doors read them.
"""

import hashlib
import os
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from bench.copies import unhurried
from portal.applications.models import Application
from portal.credentials.models import Grant
from portal.credentials.secrets import mint, new_kid
from portal.gateway.authentication import hash_secret, new_secret
from portal.gateway.models import Gateway
from portal.programs.models import ModelRelease, RolloutPhase

KEYS_A_GRANT = 2
GRANTS_A_PERSON = 1
PEOPLE_A_PARTNER = 50
AUDIENCE = "https://bench.example"
SCOPE, OTHER_SCOPE = "model:infer", "cyber:scan"


def seed(keys: int, folder: Path) -> tuple[str, str, Path]:
    """Write `keys` live keys in one release, and one gateway that may ask about them.

    Returns the gateway's client id and secret, and a file with one key a line.
    """
    unhurried()
    with transaction.atomic():
        _people(keys // KEYS_A_GRANT // GRANTS_A_PERSON)
        _programme()
        _grants()
        path = _keys(folder)
        gateway = _gateway()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return *gateway, path


def _run(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def _people(count: int) -> None:
    _run(
        """INSERT INTO accounts_user (password, is_superuser, ref, email, name, time_zone,
               is_staff, is_active, date_joined)
           SELECT '!', false, 'USR-' || lpad(n::text, 8, '0'), n || '@bench.example',
                  'Person ' || n, 'UTC', false, true, now() FROM generate_series(1, %s) AS n""",
        count,
    )
    _run(
        """INSERT INTO accounts_organization (ref, name, website, country, created_at)
           SELECT 'ORG-' || lpad(n::text, 8, '0'), 'Partner ' || n, '', '', now()
           FROM generate_series(0, %s) AS n""",
        count // PEOPLE_A_PARTNER,
    )
    _run(
        """INSERT INTO accounts_membership (user_id, organization_id, role, joined_at)
           SELECT person.id, partner.id, 'member', now() FROM accounts_user AS person
           JOIN accounts_organization AS partner
             ON partner.ref = 'ORG-' || lpad((substr(person.ref, 5)::int / %s)::text, 8, '0')""",
        PEOPLE_A_PARTNER,
    )


def _programme() -> None:
    text = "Terms of the bench."
    digest = hashlib.sha256(text.encode()).hexdigest()
    _run(
        """INSERT INTO programs_modelrelease (ref, slug, name, summary, risk_statement, audience,
               published_at, created_at)
           VALUES ('REL-BENCHMRK', 'bench', 'Bench', '', '', %s, now(), now())""",
        AUDIENCE,
    )
    _run(
        """INSERT INTO programs_capability (release_id, scope, name, description, tier)
           SELECT id, scope, scope, '', 'standard'
           FROM programs_modelrelease, unnest(ARRAY[%s, %s]) AS scope""",
        SCOPE,
        OTHER_SCOPE,
    )
    _run(
        """INSERT INTO programs_agreementversion (release_id, number, title, text, sha256,
               published_at, published_by_id)
           SELECT id, 1, 'Terms', %s, %s, now(), (SELECT min(id) FROM accounts_user)
           FROM programs_modelrelease""",
        text,
        digest,
    )
    _run(
        """INSERT INTO programs_signature (agreement_id, user_id, sha256, signed_name, signed_at)
           SELECT terms.id, person.id, terms.sha256, person.name, now()
           FROM programs_agreementversion AS terms, accounts_user AS person""",
    )


def _grants() -> None:
    release = ModelRelease.objects.get()
    phase = RolloutPhase.objects.create(
        release=release,
        name="Bench",
        order=1,
        capacity=10_000_000,
        requests_per_minute=60,
        tokens_per_day=100_000,
        max_grant_days=90,
        opens_at=timezone.now(),
    )
    _run(
        """INSERT INTO applications_application (ref, phase_id, applicant_id, organization_id,
               status, scopes, approved_scopes, answers, version, created_at, updated_at,
               status_changed_at)
           SELECT 'APP-' || substr(person.ref, 5), %s, person.id, member.organization_id, 'granted',
                  ARRAY[%s, %s], ARRAY[%s, %s], '{}', 0, now(), now(), now()
           FROM accounts_user AS person
           JOIN accounts_membership AS member ON member.user_id = person.id""",
        phase.pk,
        *(SCOPE, OTHER_SCOPE) * 2,
    )
    _run(
        """INSERT INTO credentials_grant (ref, application_id, phase_id, holder_id, organization_id,
               scopes, requests_per_minute, tokens_per_day, status, starts_at, ends_at, opened_at,
               activated_at, attempts, next_attempt_at, last_error)
           SELECT 'GRT-' || substr(ref, 5), id, phase_id, applicant_id, organization_id,
                  approved_scopes, 60, 100000, 'active', now() - interval '1 day',
                  now() + interval '90 days', now(), now(), 0, now(), ''
           FROM applications_application""",
    )


def _keys(folder: Path) -> Path:
    now = timezone.now()
    path = folder / "keys.txt"
    grants = list(Grant.objects.values_list("pk", "scopes", "holder_id", "ends_at"))
    names = (
        "kid, kind, grant_id, name, status, scopes, digest, pepper_version, requested_at,"
        " claimed_at, claimed_by_id, expires_at, revoked_reason, revoked_by_staff, revoked_with_key"
    )
    with (
        os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file,
        connection.cursor() as cursor,
        cursor.copy(f"COPY credentials_credential ({names}) FROM STDIN") as copy,
    ):
        for pk, scopes, holder, ends in grants:
            for _ in range(KEYS_A_GRANT):
                kid = new_kid()
                key = mint(kid)
                file.write(f"{key.token}\n")
                row = (
                    kid,
                    "live",
                    pk,
                    "",
                    "active",
                    scopes,
                    key.digest,
                    key.pepper_version,
                    now,
                    now,
                )
                copy.write_row((*row, holder, ends, "", False, False))
    return path


def _gateway() -> tuple[str, str]:
    gateway = Gateway(name="Bench", release=ModelRelease.objects.get())
    secret = new_secret()
    gateway.pepper_version, gateway.digest = hash_secret(gateway.client_id, secret)
    gateway.registered_by = User.objects.order_by("pk")[0]
    gateway.save()
    return gateway.client_id, secret


def responder(name: str = "Responder") -> User:
    """Somebody who may do whatever the bench has people do."""
    by, _ = User.objects.get_or_create(
        email=f"{name.lower()}@bench.example",
        defaults={"name": name, "is_staff": True, "is_superuser": True},
    )
    return by


def two_responders() -> tuple[User, User]:
    """One who asks, and one who confirms."""
    return responder(), responder("Second")


def approved(count: int) -> list[int]:
    """Ids of new applications by new people, approved and not yet taken up."""
    first = User.objects.order_by("-pk")[0].pk + 1_000
    _run(
        """INSERT INTO accounts_user (id, password, is_superuser, ref, email, name, time_zone,
               is_staff, is_active, date_joined)
           OVERRIDING SYSTEM VALUE
           SELECT n, '!', false, 'USR-' || n, n || '@cohort.example', 'Person ' || n, 'UTC',
                  false, true, now() FROM generate_series(%s, %s) AS n""",
        first,
        first + count - 1,
    )
    _run("SELECT setval(pg_get_serial_sequence('accounts_user', 'id'), max(id)) FROM accounts_user")
    _run(
        """INSERT INTO applications_application (ref, phase_id, applicant_id, status, scopes,
               approved_scopes, answers, version, created_at, updated_at, status_changed_at)
           SELECT 'APP-' || person.id, (SELECT id FROM programs_rolloutphase), person.id,
                  'approved', ARRAY[%s], ARRAY[%s], '{}', 0, now(), now(), now()
           FROM accounts_user AS person WHERE id >= %s""",
        SCOPE,
        SCOPE,
        first,
    )
    return list(
        Application.objects.filter(applicant__gte=first).order_by("pk").values_list("pk", flat=True)
    )


def opened(count: int) -> list[int]:
    """Ids of new grants with a slot each, as approval leaves them to a worker."""
    applications = approved(count)
    _run(
        """INSERT INTO credentials_grant (ref, application_id, phase_id, holder_id, scopes,
               requests_per_minute, tokens_per_day, status, starts_at, ends_at, opened_at,
               attempts, next_attempt_at, last_error)
           SELECT 'GRT-' || id, id, phase_id, applicant_id, approved_scopes, 60, 100000,
                  'activating', now(), now() + interval '90 days', now(), 0, now(), ''
           FROM applications_application WHERE id = ANY(%s)""",
        applications,
    )
    Application.objects.filter(pk__in=applications).update(status="granted")
    grants = Grant.objects.filter(application__in=applications).order_by("pk")
    _run(
        """INSERT INTO credentials_credential (kid, kind, grant_id, name, status, scopes,
               requested_at, revoked_reason, revoked_by_staff, revoked_with_key)
           SELECT substr(md5(random()::text), 1, 16), 'live', id, '', 'requested', scopes, now(),
                  '', false, false FROM credentials_grant WHERE application_id = ANY(%s)""",
        applications,
    )
    return list(grants.values_list("pk", flat=True))
