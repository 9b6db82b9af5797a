"""The verifier a gateway holds: one for each process, asked at each call, never asking then."""

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from access_verifier import identity, jose
from access_verifier.clock import elapsed
from access_verifier.codes import Code, Unreadable
from access_verifier.decision import Rules, Verdict, decide, still_stands
from access_verifier.fetching import Portal, basic
from access_verifier.identity import Identity, read_identity
from access_verifier.keeper import KEYS_OLDEST, Keeper, Known
from access_verifier.settings import Settings


class Watch:
    """Something allowed that goes on: ask `verdict()` whether it still may. Once no, always no."""

    def __init__(self, verifier: "Verifier", who: Identity) -> None:
        self.identity = who
        self._verifier = verifier
        self._ended: Verdict | None = None

    def verdict(self) -> Verdict:
        if self._ended is not None:
            return self._ended
        verdict = self._verifier.still_stands(self.identity)
        if not verdict:
            self._ended = verdict
        return verdict


class Verifier:
    """Checks access tokens of one portal for one audience.

    `portal_url` is where to ask; `issuer` is what tokens name, if that is another address.
    `start()` polls in a thread of its own; each process of a server needs one, and gets one when
    it was forked from a process that had. `verify()` is for any number of threads.
    """

    def __init__(
        self,
        portal_url: str,
        audience: str,
        client_id: str,
        client_secret: str,
        *,
        issuer: str | None = None,
        settings: Settings | None = None,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        """Raise ValueError for an address that is none, or plain http to somewhere else."""
        settings = settings or Settings()
        portal = Portal(
            portal_url,
            timeout=settings.timeout,
            plain_http=settings.plain_http,
            tls=settings.tls,
        )
        self._rules = Rules(
            issuer=issuer or portal.url,
            audience=audience,
            leeway=settings.leeway,
            oldest=settings.oldest,
            longest_life=settings.longest_life,
            kinds=frozenset({"live", "test"} if settings.test_keys else {"live"}),
        )
        self._clock = clock
        self._every = settings.every
        self._watches: set[Watch] = set()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._orphaned = False
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._keeper = Keeper(
            portal,
            basic(client_id, client_secret),
            self._rules,
            clock,
            most_seen=settings.most_seen,
            lists=settings.status_lists,
            on_word=self._look_at_watches,
            wake=self._wake,
        )
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_forked, weakref.ref(self)))

    @property
    def issuer(self) -> str:
        return self._rules.issuer

    # --- The hot path ---------------------------------------------------------------------------

    def verify(self, token: str, scope: str | None) -> Verdict:
        """Judge a token somebody presented. Never waits for anything, never raises.

        `scope` is one scope, several with spaces between (all are needed), or None when it only
        matters that the token is good.
        """
        if self._orphaned:
            self.start()
        known, elapsed_now = self._keeper.known, self._clock()
        now = known.portal_time(elapsed_now)
        if known.standing is None or not known.standing.fresh(now, self._rules):
            return Verdict(Code.SNAPSHOT_STALE)
        if elapsed_now - known.keys_at > KEYS_OLDEST:
            return Verdict(Code.KEYS_STALE)
        try:
            who = self._read(token, known)
        except Unreadable as refusal:
            if refusal.code is Code.UNKNOWN_SIGNING_KEY:
                self._keeper.want_keys()
            return Verdict(refusal.code)
        if who.status is not None and who.issuer == self._rules.issuer:
            self._keeper.want_list(who.status.uri)
        return decide(who, known.standing, now, scope, self._rules)

    def still_stands(self, who: Identity) -> Verdict:
        """Judge again what was allowed and is under way; see `watch`."""
        known = self._keeper.known
        if who.status is not None:
            self._keeper.want_list(who.status.uri)
        now = known.portal_time(self._clock())
        return still_stands(who, known.standing, now, self._rules)

    @staticmethod
    def _read(token: str, known: Known) -> Identity:
        if len(token) > identity.LONGEST:
            raise jose.Malformed("too long")
        name = known.seen.name(token)
        found = known.seen.get(name)
        if found is None:
            claims = jose.open_signed(
                token, typ=identity.TYPE, keys=known.keys, longest=identity.LONGEST
            )
            found = read_identity(claims)
            known.seen.put(name, found)
        return found

    # --- Long answers ---------------------------------------------------------------------------

    def watch(self, who: Identity) -> Watch:
        """Have every snapshot from now on looked at for this caller. `unwatch` when it ends.

        The portal drops an epoch once the tokens it is about have expired. A stream may outlive
        that, and look only now and then: so it is looked at for it whenever there is news.
        """
        watch = Watch(self, who)
        self._watches.add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        self._watches.discard(watch)

    def _look_at_watches(self) -> None:
        for watch in self._watches.copy():
            watch.verdict()

    # --- Polling --------------------------------------------------------------------------------

    def poll_once(self) -> bool:
        """Ask the portal now; returns whether a snapshot was accepted. `start()` does this."""
        return self._keeper.poll_once()

    def start(self) -> None:
        """Poll every second from now on, in this process. Returns at once; twice is once."""
        with self._starting:
            if self._thread is None:
                self._orphaned = False
                self._stopping, self._woken = threading.Event(), threading.Event()
                self._thread = threading.Thread(
                    target=self._poll, args=(self._stopping,), name="access-verifier", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Stop polling. What is known is good for as long as it would be anyway."""
        with self._starting:
            thread, self._thread = self._thread, None
            self._stopping.set()
            self._woken.set()
            if thread is not None:
                thread.join()
        self._keeper.close()

    def _wake(self) -> None:
        self._woken.set()

    def _poll(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            began = self._clock()
            self._keeper.poll_once()
            self._woken.wait(max(0.0, self._every - (self._clock() - began)))
            self._woken.clear()

    def forked(self) -> None:
        """In a child nobody polls: threads stay with the parent. Starts again at the next call.

        A lock may have been held by a thread that is not here, and the connection is the parent's.
        """
        self._orphaned, self._thread = self._thread is not None, None
        self._starting = threading.Lock()
        self._keeper.forked()

    def health(self) -> dict[str, Any]:
        """For the gateway's own page of health. `ready` is whether anybody can be let in now."""
        known, elapsed_now = self._keeper.known, self._clock()
        standing, now = known.standing, known.portal_time(elapsed_now)
        fresh = standing is not None and standing.fresh(now, self._rules)
        return {
            "ready": fresh and elapsed_now - known.keys_at <= KEYS_OLDEST,
            "snapshot_age": None if standing is None else now - standing.snapshot.issued_at,
            "snapshot_version": None if standing is None else standing.snapshot.version,
            "keys": len(known.keys.keys),
            "problems": self._keeper.problems.copy(),
        }


def _forked(reference: "weakref.ref[Verifier]") -> None:
    verifier = reference()
    if verifier is not None:
        verifier.forked()
