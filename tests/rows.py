"""What stands in the database, in so few words that before and after can be told apart."""

from django.apps import apps
from django.db import connection

OURS = ("accounts", "account", "applications", "audit", "credentials", "gateway", "mail", "mfa")
OURS += ("portal", "programs", "reviews", "socialaccount", "usersessions", "webhooks")


def rows(*models):
    """Each of these tables, or else of all of ours, as the number of its rows and a sum over what
    they hold.

    When somebody was last seen is no answer to a form: every page writes it.
    """
    tables = [model._meta.db_table for model in models or _ours()]
    sums = (
        f"SELECT %s, count(*), coalesce(sum(hashtextextended({_seen_as(table)}, 0)), 0)"
        f' FROM "{table}" t'
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sums), tables)
        return sorted(cursor.fetchall())


def _ours():
    return [
        model
        for label in OURS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]


def _seen_as(table):
    return "(to_jsonb(t) - 'last_seen_at')::text" if "usersession" in table else "t::text"
