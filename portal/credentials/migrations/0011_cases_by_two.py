"""Cases: two confirm what is large or critical, and what was looked at stays as it was.

Code sees to both first; here the database counts for itself, however a row comes about.
"""

from django.db import migrations

# More keys than MANY and MANY_OF_ALL (selectors.py), or one that reaches a scope that is critical
# or that its release does not know. Of keys to test, in a drill, one person may.
_BY_TWO = """
CREATE FUNCTION portal_case_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE keys bigint;
BEGIN
    SELECT count(*) INTO keys FROM credentials_revocationitem WHERE revocation_id = NEW.id;
    IF keys <> NEW.count THEN
        RAISE EXCEPTION 'this case holds % keys, and % were previewed', keys, NEW.count
            USING ERRCODE = 'check_violation', CONSTRAINT = 'revocation_holds_its_count';
    END IF;
    IF NEW.asked_by_id <> NEW.confirmed_by_id AND NEW.asked_digest = NEW.digest THEN
        RETURN NEW;
    END IF;
    IF NEW.rehearsal AND NOT EXISTS (
        SELECT FROM credentials_revocationitem AS item
        JOIN credentials_credential AS key ON key.id = item.credential_id
        WHERE item.revocation_id = NEW.id AND key.kind <> 'test'
    ) THEN
        RETURN NEW;
    END IF;
    IF keys > 500 AND keys > 0.05 * (
        SELECT count(*) FROM (
            SELECT FROM credentials_credential WHERE status = 'active' LIMIT 20 * keys
        ) AS enough_to_tell
    ) OR EXISTS (
        SELECT FROM credentials_revocationitem AS item
        JOIN credentials_credential AS key ON key.id = item.credential_id
        JOIN credentials_grant AS held ON held.id = key.grant_id
        JOIN programs_rolloutphase AS phase ON phase.id = held.phase_id
        LEFT JOIN (
            SELECT release_id, array_agg(scope) AS scopes FROM programs_capability
            WHERE tier <> 'critical' GROUP BY release_id
        ) AS harmless ON harmless.release_id = phase.release_id
        WHERE item.revocation_id = NEW.id
            AND NOT key.scopes <@ COALESCE(harmless.scopes, '{}')
    ) THEN
        RAISE EXCEPTION 'this case needs two people'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'revocation_counted_by_two';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER case_by_two BEFORE UPDATE OF confirmed_at, confirmed_by_id
    ON credentials_revocation FOR EACH ROW
    WHEN (OLD.confirmed_at IS NULL AND NEW.confirmed_at IS NOT NULL)
    EXECUTE FUNCTION portal_case_by_two();
"""
_BY_TWO_BACK = """
DROP TRIGGER case_by_two ON credentials_revocation;
DROP FUNCTION portal_case_by_two;
"""

# A case is made with its items in one transaction, at the end of which it is previewed. The case is
# locked, so that an item and a preview at the same moment see each other.
_FROZEN = """
CREATE FUNCTION portal_items_are_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE cases bigint[] := ARRAY(SELECT revocation_id FROM new_items GROUP BY revocation_id);
BEGIN
    PERFORM FROM credentials_revocation WHERE id = ANY (cases) FOR SHARE;
    IF EXISTS (
        SELECT FROM credentials_revocation WHERE id = ANY (cases)
            AND num_nonnulls(previewed_at, contained_at, asked_at, confirmed_at) > 0
    ) THEN
        RAISE EXCEPTION 'this case is previewed: no key is added'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'revocation_is_frozen';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER items_are_frozen AFTER INSERT ON credentials_revocationitem
    REFERENCING NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION portal_items_are_frozen();
CREATE TRIGGER evidence_stays BEFORE DELETE ON credentials_revocationitem
    FOR EACH ROW EXECUTE FUNCTION portal_evidence_stays();
"""
_FROZEN_BACK = """
DROP TRIGGER evidence_stays ON credentials_revocationitem;
DROP TRIGGER items_are_frozen ON credentials_revocationitem;
DROP FUNCTION portal_items_are_frozen;
"""

# What people looked at, and who said what.
_STAYS = """
CREATE FUNCTION portal_case_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is % of a case stays as it is', TG_ARGV[0]
        USING ERRCODE = 'check_violation', CONSTRAINT = 'revocation_stays';
END $$;
CREATE TRIGGER case_stays_previewed
    BEFORE UPDATE OF previewed_at, count, digest, selector, rehearsal
    ON credentials_revocation FOR EACH ROW
    WHEN (OLD.previewed_at IS NOT NULL
        AND (OLD.previewed_at, OLD.count, OLD.digest, OLD.selector, OLD.rehearsal)
            IS DISTINCT FROM
            (NEW.previewed_at, NEW.count, NEW.digest, NEW.selector, NEW.rehearsal))
    EXECUTE FUNCTION portal_case_stays('previewed');
CREATE TRIGGER case_stays_for_two
    BEFORE UPDATE OF needs_second ON credentials_revocation FOR EACH ROW
    WHEN (OLD.needs_second AND NOT NEW.needs_second)
    EXECUTE FUNCTION portal_case_stays('for two');
CREATE TRIGGER case_stays_contained
    BEFORE UPDATE OF contained_at, contained_by_id ON credentials_revocation FOR EACH ROW
    WHEN (OLD.contained_at IS NOT NULL
        AND (OLD.contained_at, OLD.contained_by_id)
            IS DISTINCT FROM (NEW.contained_at, NEW.contained_by_id))
    EXECUTE FUNCTION portal_case_stays('contained');
CREATE TRIGGER case_stays_confirmed
    BEFORE UPDATE OF confirmed_at, confirmed_by_id, asked_at, asked_by_id, asked_digest
    ON credentials_revocation FOR EACH ROW
    WHEN (OLD.confirmed_at IS NOT NULL
        AND (OLD.confirmed_at, OLD.confirmed_by_id,
             OLD.asked_at, OLD.asked_by_id, OLD.asked_digest)
            IS DISTINCT FROM
            (NEW.confirmed_at, NEW.confirmed_by_id,
             NEW.asked_at, NEW.asked_by_id, NEW.asked_digest))
    EXECUTE FUNCTION portal_case_stays('confirmed');
"""
_STAYS_BACK = """
DROP TRIGGER case_stays_confirmed ON credentials_revocation;
DROP TRIGGER case_stays_contained ON credentials_revocation;
DROP TRIGGER case_stays_for_two ON credentials_revocation;
DROP TRIGGER case_stays_previewed ON credentials_revocation;
DROP FUNCTION portal_case_stays;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0010_threads")]

    operations = [
        migrations.RunSQL(_BY_TWO, _BY_TWO_BACK),
        migrations.RunSQL(_FROZEN, _FROZEN_BACK),
        migrations.RunSQL(_STAYS, _STAYS_BACK),
    ]
