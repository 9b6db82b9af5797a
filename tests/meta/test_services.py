"""The shape of services, and that nothing else writes."""

import ast
from pathlib import PurePath

from tests.meta.sources import trees

# A step inside a service's transaction, which names what it works on first, then takes keywords.
STEPS = {
    "add_slot",
    "bar_new_keys",
    "kill_credentials",
    "mint_credential",
    "move_application",
    "move_credential",
    "move_grant",
    "move_reissue",
    "move_revocation",
    "record_credential",
    "record_event",
    "record_changes",
    "record_events",
    "switch_off",
}
# They change nothing, or nothing that anybody is answerable for.
NOBODYS = {
    "announce_birth": "a lock",
    "stop_births": "a lock",
    "lock_application": "a lock",
    "lock_grant": "a lock",
    "ring_worker": "rings; the worker says who it is",
    "must_be_known": "looks at an argument",
    "narrow_scopes": "looks at its arguments",
    "as_name": "computes",
    "first_reminder": "computes",
    "read_revision": "looks at an argument",
    "kids_digest": "computes",
    "word_of": "computes",
    "reissue_word_of": "computes",
    "must_be_as_shown": "looks at its arguments",
    "take_lease": "a lock",
    "held": "a lock",
    "mark_some": "writes down what those decided whom the case names",
    "tell_some": "carries what they decided",
    "tell_some_of_slots": "likewise",
    "of_the_same_partner": "reads",
    "snapshot_sha256": "computes",
    "text_sha256": "computes",
    "sync_role_permissions": "what the code says is written down, at `migrate`",
    "note_spent_cases": "what was found, which nobody decides",
    "store_uses": "what doors saw, which nobody decides",
    "store_rehashed": "likewise",
    "store_rehashed_secrets": "likewise",
    "queue_mail": "carries what a service with a `by` decided to tell",
    "queue_mails": "likewise",
    "queue_mails_in_turn": "likewise",
    "hold_mails": "does what one with a `by` decided",
    "release_mails": "likewise",
    "deliver_queued": "carries",
    "deliver_mail": "carries",
    "reconcile_mail": "carries",
    "queue_event": "carries what a service with a `by` decided to tell",
    "hold_events": "does what one with a `by` decided",
    "release_events": "likewise",
    "deliver_event": "carries",
    "reconcile_webhooks": "carries",
    "kids_of": "reads",
}
WRITES = {
    *("save", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update"),
    *("update", "delete", "_raw_delete", "save_base"),
    *("add", "set", "remove", "clear"),  # of a relation, but of a plain set too
    *("raw", "extra", "cursor", "execute", "executemany", "callproc", "copy"),  # SQL by hand
}
WRITES |= {f"a{name}" for name in WRITES}
# What is called like a write and is none, file by file.
NO_WRITES = {
    # Managers are how Django itself makes users, and a user writes only what was changed.
    "accounts/models.py": ["user.save", "super().save"],
    # The statement that asks what one person may; it reads.
    "accounts/backends.py": ["connection.cursor", "cursor.execute"],
    # The statements that verify one key, and all grants at once; they read.
    "portal/credentials/facts.py": ["connection.cursor", "cursor.execute"],
    "portal/credentials/judged.py": ["connection.cursor", "cursor.execute"],
    # Plain Python: what this process knows.
    "portal/credentials/remembered.py": ["self._seen.update"],
    "portal/prepared.py": ["self._prepared.add"],
    # The cache's table, which belongs to no model and to nobody.
    "portal/cached.py": ["connection.cursor", "cursor.execute"] * 2,
    # Failures counted, which the cache forgets again.
    "portal/gateway/limits.py": ["cache.set"],
    # A lock on the table of people while the demo is loaded.
    "portal/demo/guard.py": ["connection.cursor", "cursor.execute"],
    # Where a session was seen, for which nobody answers.
    "accounts/middleware.py": ["UserSession.objects.bulk_create"],
    # When worker and beat were last seen, likewise.
    "portal/heartbeats.py": ["Heartbeat.objects.bulk_create"],
    # Sets how long the questions that follow may take.
    "portal/metrics/standing.py": ["connection.cursor", "cursor.execute"],
    # A form's own rows, not yet saved: the service saves them.
    "portal/programs/admin.py": ["formset.save"],
    # Plain Python.
    "portal/batches.py": [
        *("_noted.set", "_noted.set", "self._stopped.set", "_noted.set", "_noted.clear"),
    ],
    "portal/credentials/admin_desk.py": ["request.POST.copy", "request.GET.copy"],
    "portal/credentials/last_use.py": ["_seen.clear"],
    "portal/credentials/admin_forms.py": ["data.copy"],
    "portal/credentials/admin_reissue_forms.py": ["data.copy"],
    "portal/credentials/lines.py": ["seen.add"],
    "portal/credentials/selectors.py": ["taken.update"],
    "portal/gateway/sandbox.py": ["self._tally.add"],
    "portal/middleware.py": ["request_id.set"],
    "portal/request_id.py": ["request_id.set"],
    "portal/reviews/policies.py": ["theirs.add"],
    "portal/run/__main__.py": ["os.environ.update"],
    "portal/worker.py": ["request_id.set", "request_id.set"],
    "portal/settings.py": ["_database.update", "vars().update"],
}


def _is_of_services(name):
    return bool({"services", "services.py"} & set(PurePath(name).parts))


def _public_services():
    """Every public function of every module of services, exported by its package or not."""
    return {
        (name, node.name): node.args
        for name, tree in trees()
        if _is_of_services(name)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    }


def _says_who(arguments):
    return "by" in {argument.arg for argument in arguments.kwonlyargs}


def _takes_by_position(arguments):
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]


def test_services_take_keywords_only():
    found = _public_services()
    positions = {name for (_, name), arguments in found.items() if _takes_by_position(arguments)}
    helpers = {name for name in positions if name in NOBODYS}
    assert positions - helpers == STEPS
    assert not [name for (_, name), arguments in found.items() if arguments.vararg]


def test_services_say_who():
    found = _public_services()
    nobodys = {name for (_, name), arguments in found.items() if not _says_who(arguments)}
    assert nobodys == set(NOBODYS)


def test_the_services_of_every_app_are_looked_at():
    assert {file.split("/services")[0] for file, _ in _public_services()} == {
        *("accounts", "portal/programs", "portal/applications", "portal/credentials"),
        *("portal/reviews", "portal/gateway", "portal/audit", "portal/mail"),
        "portal/webhooks",
    }


def _writes(tree):
    """Calls that write, or may: x.save(), rows.update(...), relation.add(...), cursor.execute()."""
    return [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
    ]


def test_only_services_write():
    found = {
        name: writes
        for name, tree in trees()
        if not _is_of_services(name) and (writes := _writes(tree))
    }
    assert found == NO_WRITES


def test_the_search_for_writes_finds_them():
    planted = """\
thing.save()
rows = Thing.objects.filter(a=1)
rows.update(b=2)
x.delete()
grant.credentials.create(kid="k")
rows.bulk_update(found, ["b"])
user.groups.add(group)
user.groups.set([group])
user.groups.remove(group)
await thing.asave()
await rows.aupdate(b=2)
Thing.objects.raw("DELETE")
with connection.cursor() as cursor:
    cursor.execute("DELETE")
read = rows.filter(a=1).exists()
"""
    assert sorted(_writes(ast.parse(planted))) == sorted(
        [
            *("thing.save", "rows.update", "x.delete", "grant.credentials.create"),
            *("rows.bulk_update", "user.groups.add", "user.groups.set", "user.groups.remove"),
            *("thing.asave", "rows.aupdate", "Thing.objects.raw"),
            *("connection.cursor", "cursor.execute"),
        ]
    )
