"""`portal_freeze` of what is frozen already: a request to lift it is off, and one that is being
lifted at this moment is waited for and frozen anew.
"""

from django.db import migrations

_DECLARED = """
CREATE OR REPLACE FUNCTION portal_freeze(level text, target text DEFAULT '', reason text DEFAULT '')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    letters constant text := '34679ACDEFGHJKMNPQRTWXY';
    new_ref text;
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
    LOOP
"""
_STANDS = """        SELECT ref INTO standing FROM credentials_freeze AS f
            WHERE f.level = portal_freeze.level AND f.target = portal_freeze.target
              AND f.lifted_at IS NULL;
        IF standing IS NOT NULL THEN RETURN standing; END IF;
"""
_STANDS_AGAINST_A_LIFT = """        SELECT ref INTO standing FROM credentials_freeze AS f
            WHERE f.level = portal_freeze.level AND f.target = portal_freeze.target
              AND f.lifted_at IS NULL FOR UPDATE;
        IF standing IS NOT NULL THEN
            UPDATE credentials_freeze SET lift_asked_at = NULL, lift_asked_by_id = NULL
                WHERE ref = standing AND lift_asked_at IS NOT NULL;
            IF FOUND THEN
                INSERT INTO audit_event (at, kind, actor, subject, thread, request_id, payload)
                    VALUES (clock_timestamp(), 'freeze.kept', 'system:sql', standing, standing, '',
                        jsonb_build_object('level', level, 'target', target));
            END IF;
            RETURN standing;
        END IF;
"""
_PLACED = """        new_ref := 'FRZ-';
        FOR _ IN 1..8 LOOP
            new_ref := new_ref
                || substr(letters, 1 + floor(random() * length(letters))::int, 1);
        END LOOP;
        INSERT INTO credentials_freeze (ref, level, target, reason, placed_at, placed_by)
            VALUES (new_ref, level, target, left(reason, 500), clock_timestamp(), 'system:sql')
            ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    INSERT INTO audit_event (at, kind, actor, subject, thread, request_id, payload)
        VALUES (clock_timestamp(), 'freeze.placed', 'system:sql', new_ref, new_ref, '',
            jsonb_build_object('level', level, 'target', target));
    RETURN new_ref;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0017_slots_in_steps")]

    operations = [
        migrations.RunSQL(
            _DECLARED + _STANDS_AGAINST_A_LIFT + _PLACED, _DECLARED + _STANDS + _PLACED
        )
    ]
