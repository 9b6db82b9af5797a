"""`make run`: the whole portal on this machine, everything it keeps in one folder, .data.

    python -m portal.run                    web, worker, beat and sandbox, until Ctrl-C
    python -m portal.run -- COMMAND...      COMMAND with the same settings and servers,
                                            for instance `-- python manage.py shell`

The second form uses the servers of a `make run` that is on, or starts them; those it started
stay until other commands that share them have ended.
"""
