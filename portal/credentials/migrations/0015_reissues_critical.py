"""Re-issues: two confirm new keys for what is critical, however a row comes about.

As 0008 has it, and the same of scopes as of a case (0011): those of the grants, as a slot has them
all, whatever the dead key had.
"""

from django.db import migrations

_BY_TWO = """
CREATE OR REPLACE FUNCTION portal_reissue_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE two boolean; slots bigint;
BEGIN
    SELECT needs_second INTO two FROM credentials_revocation
        WHERE id = NEW.revocation_id FOR NO KEY UPDATE;
    IF NEW.asked_by_id IS NOT NULL AND NEW.asked_by_id <> NEW.confirmed_by_id
            AND NEW.asked_digest = NEW.digest THEN
        RETURN NEW;
    END IF;
    SELECT count(*) INTO slots FROM credentials_reissueitem
        WHERE revocation_id = NEW.revocation_id
            AND status IN ('chosen', 'made', 'told', 'failed');
    IF two OR (slots > 500 AND slots > 0.05 * (
            SELECT count(*) FROM credentials_credential WHERE status = 'active'))%s THEN
        RAISE EXCEPTION 'this re-issue needs two people'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reissue_counted_by_two';
    END IF;
    RETURN NEW;
END $$;
"""
_CRITICAL = """ OR EXISTS (
        SELECT FROM credentials_reissueitem AS item
        JOIN credentials_grant AS held ON held.id = item.grant_id
        JOIN programs_rolloutphase AS phase ON phase.id = held.phase_id
        LEFT JOIN (
            SELECT release_id, array_agg(scope) AS scopes FROM programs_capability
            WHERE tier <> 'critical' GROUP BY release_id
        ) AS harmless ON harmless.release_id = phase.release_id
        WHERE item.reissue_id = NEW.id AND item.status IN ('chosen', 'made', 'told', 'failed')
            AND NOT held.scopes <@ COALESCE(harmless.scopes, '{}')
    )"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0014_steps")]

    operations = [migrations.RunSQL(_BY_TWO % _CRITICAL, _BY_TWO % "")]
