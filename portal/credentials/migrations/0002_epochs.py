"""What the database itself sees to: every change for the worse leaves an epoch, and access can be
frozen from a database prompt.

Statement-level where thousands of rows change at once, so that a bulk revocation pays for at most
a hundred rows and one for all the rest.
"""

from django.db import migrations

_EPOCH = """
CREATE FUNCTION portal_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The arguments: a level, and the column with the reference, which `everything` has none of.
    INSERT INTO credentials_epoch (subject, xid) VALUES (
        TG_ARGV[0] || CASE WHEN TG_NARGS > 1 THEN ':' || (to_jsonb(NEW) ->> TG_ARGV[1]) ELSE '' END,
        portal_xid());
    RETURN NULL;
END $$;

-- Of the transaction that writes; 64 bits, so it never wraps.
CREATE FUNCTION portal_xid() RETURNS bigint LANGUAGE sql AS
    'SELECT pg_current_xact_id()::text::bigint';

-- An epoch counts from the moment its transaction ends, not from when it began: a token made in
-- between rests on what was true before. Deferred triggers run last.
CREATE FUNCTION portal_epoch_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credentials_epoch SET at = clock_timestamp() WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER epoch_begins AFTER INSERT ON credentials_epoch
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_epoch_begins();
"""

_KEYS = """
CREATE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kids text[];
BEGIN
    kids := ARRAY(SELECT kid FROM before WHERE status = 'active' LIMIT 101);
    IF array_length(kids, 1) > 100 THEN kids := NULL; END IF;
    INSERT INTO credentials_epoch (subject, xid)
        SELECT 'key:' || kid, portal_xid() FROM unnest(kids) AS kid
        UNION ALL SELECT 'everything', portal_xid() WHERE kids IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_keys AFTER UPDATE ON credentials_credential
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION portal_epoch_of_keys();
"""

_OTHERS = """
CREATE TRIGGER epoch_of_grant AFTER UPDATE ON credentials_grant FOR EACH ROW
    WHEN (OLD.status = 'active' AND (
        NEW.status <> 'active' OR NEW.scopes <> OLD.scopes OR NEW.ends_at < OLD.ends_at
        OR NEW.starts_at > OLD.starts_at OR NEW.phase_id <> OLD.phase_id
        OR NEW.holder_id <> OLD.holder_id
        OR NEW.organization_id IS DISTINCT FROM OLD.organization_id
        OR NEW.requests_per_minute <> OLD.requests_per_minute
        OR NEW.tokens_per_day <> OLD.tokens_per_day))
    EXECUTE FUNCTION portal_epoch('grant', 'ref');
CREATE TRIGGER epoch_of_person AFTER UPDATE ON accounts_user FOR EACH ROW
    WHEN ((OLD.is_active AND NOT NEW.is_active)
        OR (OLD.suspended_at IS NULL AND NEW.suspended_at IS NOT NULL))
    EXECUTE FUNCTION portal_epoch('person', 'ref');
CREATE TRIGGER epoch_of_organization AFTER UPDATE ON accounts_organization FOR EACH ROW
    WHEN (OLD.suspended_at IS NULL AND NEW.suspended_at IS NOT NULL)
    EXECUTE FUNCTION portal_epoch('organization', 'ref');
CREATE TRIGGER epoch_of_phase AFTER UPDATE ON programs_rolloutphase FOR EACH ROW
    WHEN ((OLD.halted_at IS NULL AND NEW.halted_at IS NOT NULL)
        OR NEW.release_id <> OLD.release_id)
    EXECUTE FUNCTION portal_epoch('phase', 'ref');
CREATE TRIGGER epoch_of_release AFTER UPDATE ON programs_modelrelease FOR EACH ROW
    WHEN (NEW.audience <> OLD.audience) EXECUTE FUNCTION portal_epoch('release', 'ref');

CREATE FUNCTION portal_epoch_of_membership() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO credentials_epoch (subject, xid)
        SELECT 'person:' || ref, portal_xid() FROM accounts_user WHERE id = OLD.user_id;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_membership
    AFTER DELETE OR UPDATE OF user_id, organization_id ON accounts_membership
    FOR EACH ROW EXECUTE FUNCTION portal_epoch_of_membership();

CREATE FUNCTION portal_epoch_of_agreement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO credentials_epoch (subject, xid)
        SELECT 'release:' || ref, portal_xid() FROM programs_modelrelease
        WHERE id = NEW.release_id;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_agreement AFTER INSERT ON programs_agreementversion
    FOR EACH ROW EXECUTE FUNCTION portal_epoch_of_agreement();

CREATE FUNCTION portal_epoch_of_freeze() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO credentials_epoch (subject, xid) VALUES (
        NEW.level || CASE WHEN NEW.target = '' THEN '' ELSE ':' || NEW.target END, portal_xid());
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_freeze AFTER INSERT ON credentials_freeze
    FOR EACH ROW EXECUTE FUNCTION portal_epoch_of_freeze();

-- Each signed snapshot for offline gateways takes the next number, whichever process makes it.
CREATE SEQUENCE credentials_snapshot_version;
"""

_FREEZE = """
CREATE FUNCTION portal_freeze(level text, target text DEFAULT '', reason text DEFAULT '')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    letters constant text := '34679ACDEFGHJKMNPQRTWXY';
    new_ref text := 'FRZ-';
    standing text;
    known boolean;
BEGIN
    level := lower(trim(level));
    target := upper(trim(target));
    known := CASE level
        WHEN 'everything' THEN target = ''
        WHEN 'release' THEN EXISTS (SELECT FROM programs_modelrelease WHERE ref = target)
        WHEN 'phase' THEN EXISTS (SELECT FROM programs_rolloutphase WHERE ref = target)
        WHEN 'organization' THEN EXISTS (SELECT FROM accounts_organization WHERE ref = target)
        WHEN 'person' THEN EXISTS (SELECT FROM accounts_user WHERE ref = target)
        ELSE false END;
    IF NOT known THEN
        RAISE EXCEPTION 'Nothing was frozen: no % is known as "%".', level, target
            USING HINT = 'portal_freeze(''everything''), or release, phase, organization, person'
                ' with its reference.';
    END IF;
    SELECT ref INTO standing FROM credentials_freeze AS f
        WHERE f.level = portal_freeze.level AND f.target = portal_freeze.target
          AND f.lifted_at IS NULL;
    IF standing IS NOT NULL THEN RETURN standing; END IF;
    FOR _ IN 1..8 LOOP
        new_ref := new_ref || substr(letters, 1 + floor(random() * length(letters))::int, 1);
    END LOOP;
    INSERT INTO credentials_freeze (ref, level, target, reason, placed_at, placed_by)
        VALUES (new_ref, level, target, left(reason, 500), clock_timestamp(), 'system:sql');
    INSERT INTO audit_event (at, kind, actor, subject, thread, request_id, payload)
        VALUES (clock_timestamp(), 'freeze.placed', 'system:sql', new_ref, new_ref, '',
            jsonb_build_object('level', level, 'target', target));
    RETURN new_ref;
END $$;
"""

_BACK = """
DROP SEQUENCE credentials_snapshot_version;
DROP TRIGGER epoch_of_agreement ON programs_agreementversion;
DROP TRIGGER epoch_of_membership ON accounts_membership;
DROP TRIGGER epoch_of_release ON programs_modelrelease;
DROP TRIGGER epoch_of_phase ON programs_rolloutphase;
DROP TRIGGER epoch_of_organization ON accounts_organization;
DROP TRIGGER epoch_of_person ON accounts_user;
DROP TRIGGER epoch_of_grant ON credentials_grant;
DROP TRIGGER epoch_of_keys ON credentials_credential;
DROP TRIGGER epoch_of_freeze ON credentials_freeze;
DROP TRIGGER epoch_begins ON credentials_epoch;
DROP FUNCTION portal_freeze, portal_epoch_of_freeze, portal_epoch_of_agreement,
    portal_epoch_of_membership, portal_epoch_of_keys, portal_epoch_begins, portal_epoch,
    portal_xid;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0001_initial"),
        ("audit", "0003_events_by_time"),
    ]

    operations = [migrations.RunSQL(_EPOCH + _KEYS + _OTHERS + _FREEZE, _BACK)]
