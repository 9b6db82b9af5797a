"""Keys that were there before 0021 get their file, a hundred a transaction.

All at once they would be locked for as long as it takes; and of more than a hundred that change the
database says that everything did, so every gateway that judges alone would cut what it has let in.
Stopped anywhere, it goes on from there.
"""

from typing import Any

from django.db import migrations

STEP = 100
# Locked in the order of their ids, as whoever revokes them does. Whatever is written here, the
# trigger of 0021 gives each its own.
_SOME = """
UPDATE credentials_credential SET thread = '' WHERE id = ANY (ARRAY(
    SELECT id FROM credentials_credential WHERE id > %s AND thread = ''
    ORDER BY id LIMIT %s FOR UPDATE))
RETURNING id
"""


def give_threads(_apps: Any, editor: Any) -> None:
    last = 0
    with editor.connection.cursor() as cursor:
        while True:
            cursor.execute(_SOME, [last, STEP])
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return
            last = max(ids)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("credentials", "0021_thread_of_keys")]

    operations = [migrations.RunPython(give_threads, migrations.RunPython.noop)]
