"""`portal_freeze` from two prompts at once: one freeze, and both are told which."""

from django.db import migrations

_DECLARED = """
CREATE OR REPLACE FUNCTION portal_freeze(level text, target text DEFAULT '', reason text DEFAULT '')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    letters constant text := '34679ACDEFGHJKMNPQRTWXY';
    new_ref text{first};
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
"""
_PLACED = """
    INSERT INTO audit_event (at, kind, actor, subject, thread, request_id, payload)
        VALUES (clock_timestamp(), 'freeze.placed', 'system:sql', new_ref, new_ref, '',
            jsonb_build_object('level', level, 'target', target));
    RETURN new_ref;
END $$;
"""
# Whoever comes second waits at the index for the first one's commit, and then finds its freeze.
_ONCE = (
    _DECLARED.format(first="")
    + """
    LOOP
        SELECT ref INTO standing FROM credentials_freeze AS f
            WHERE f.level = portal_freeze.level AND f.target = portal_freeze.target
              AND f.lifted_at IS NULL;
        IF standing IS NOT NULL THEN RETURN standing; END IF;
        new_ref := 'FRZ-';
        FOR _ IN 1..8 LOOP
            new_ref := new_ref
                || substr(letters, 1 + floor(random() * length(letters))::int, 1);
        END LOOP;
        INSERT INTO credentials_freeze (ref, level, target, reason, placed_at, placed_by)
            VALUES (new_ref, level, target, left(reason, 500), clock_timestamp(), 'system:sql')
            ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;"""
    + _PLACED
)
_BEFORE = (
    _DECLARED.format(first=" := 'FRZ-'")
    + """
    SELECT ref INTO standing FROM credentials_freeze AS f
        WHERE f.level = portal_freeze.level AND f.target = portal_freeze.target
          AND f.lifted_at IS NULL;
    IF standing IS NOT NULL THEN RETURN standing; END IF;
    FOR _ IN 1..8 LOOP
        new_ref := new_ref || substr(letters, 1 + floor(random() * length(letters))::int, 1);
    END LOOP;
    INSERT INTO credentials_freeze (ref, level, target, reason, placed_at, placed_by)
        VALUES (new_ref, level, target, left(reason, 500), clock_timestamp(), 'system:sql');"""
    + _PLACED
)


class Migration(migrations.Migration):
    dependencies = [("credentials", "0015_reissues_critical")]

    operations = [migrations.RunSQL(_ONCE, _BEFORE)]
