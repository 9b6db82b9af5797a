"""What is known of the portal, kept fresh. The only part that speaks with it.

Everything a verdict needs is in one immutable `Known`, exchanged as a whole: a request reads it
once and is judged by one state of affairs, whatever is polled meanwhile.
"""

import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from access_verifier import jose, snapshot, statuslist
from access_verifier.codes import Code, Unreadable
from access_verifier.decision import Rules, Standing
from access_verifier.fetching import NoAnswer, Portal
from access_verifier.jose import KeySet, Malformed
from access_verifier.seen import Seen
from access_verifier.snapshot import Snapshot
from access_verifier.statuslist import StatusList

log = logging.getLogger("access_verifier")

KEYS_EVERY = 300.0
KEYS_AT_MOST_EVERY = 5.0
KEYS_OLDEST = 900.0  # nobody has confirmed for that long that none was withdrawn
LONGEST_KEYS = 1024 * 1024
LISTS_AT_MOST_EVERY = 1.0
LISTS_EVERY = 5.0  # at the latest, whatever their ttl
MOST_LISTS = 16
LIST_UNUSED = 600.0

_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")


@dataclass(frozen=True, slots=True)
class Known:
    """`asked_at` and `keys_at` are on the gateway's clock of elapsed seconds."""

    keys: KeySet
    keys_at: float
    seen: Seen
    standing: Standing | None = None
    asked_at: float = 0.0

    def portal_time(self, elapsed: float) -> float:
        """What time it is at the portal, at the latest.

        The snapshot was signed after it was asked for, so counting from the question errs
        towards a later time: towards older snapshots and expired tokens.
        """
        if self.standing is None:
            return 0.0
        return self.standing.snapshot.issued_at + (elapsed - self.asked_at)


class Keeper:
    """Asks, judges what comes, keeps it. `poll_once` is for one thread; the rest for any."""

    def __init__(
        self,
        portal: Portal,
        credentials: str,
        rules: Rules,
        clock: Callable[[], float],
        *,
        most_seen: int,
        lists: Iterable[str] = (),
        on_word: Callable[[], None] = lambda: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._portal = portal
        self._credentials = credentials
        self._rules = rules
        self._clock = clock
        self._on_word = on_word
        self._wake = wake
        self.known = Known(KeySet({}), float("-inf"), Seen(most_seen))
        self.problems: dict[str, str] = {}
        self._polling = threading.Lock()
        self._keys_tried_at = float("-inf")
        self._keys_wanted = False
        self._due: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._kept_lists = frozenset(lists)
        for uri in self._kept_lists:
            if self._path_of(uri) is None:
                raise ValueError(f"{uri} is not an address of the portal.")
            self._due[uri] = float("-inf")

    # --- Asked for by requests ------------------------------------------------------------------

    def want_keys(self) -> None:
        """A token names a key that is not known. Answers soon, and not at every such token."""
        self._keys_wanted = True
        if self._may_ask_for_keys():
            self._wake()

    def want_list(self, uri: str) -> None:
        """A genuine token names this list. Nothing outside the portal is ever asked."""
        if uri in self._due:
            self._used[uri] = self._clock()
        elif len(self._due) < MOST_LISTS and self._path_of(uri):
            self._used[uri] = self._clock()
            self._due[uri] = float("-inf")
            self._wake()

    # --- Polling --------------------------------------------------------------------------------

    def poll_once(self) -> bool:
        """Ask for a snapshot, and for keys and status lists that are due.

        Returns whether a snapshot was accepted. Never raises: what went wrong is in `problems`.
        """
        with self._polling:
            heard = self._try("snapshot", self._ask_for_snapshot)
            if self._keys_due():
                self._try("keys", self._ask_for_keys)
            self._refresh_lists()
            return heard

    def close(self) -> None:
        with self._polling:
            self._portal.close()

    def forked(self) -> None:
        self._polling = threading.Lock()
        self._portal.abandon()

    def _try(self, what: str, ask: Callable[[], None]) -> bool:
        try:
            ask()
        except (NoAnswer, Unreadable) as error:
            problem = str(error)
        except Exception as error:  # the thread has to go on, and what is not renewed grows stale
            log.exception("%s: failed here", what)
            problem = f"failed here: {type(error).__name__}"
        else:
            if self.problems.pop(what, None):
                log.info("%s: well again", what)
            return True
        if what not in self.problems:
            log.warning("%s: %s", what, problem)
        self.problems[what] = problem
        return False

    # --- The snapshot ---------------------------------------------------------------------------

    def _ask_for_snapshot(self) -> None:
        # A recorded answer holds another nonce, so not even a restart makes it good again.
        nonce, asked_at = secrets.token_urlsafe(16), self._clock()
        text = self._get_text(
            f"/gateway/snapshot?nonce={nonce}",
            {"Authorization": self._credentials, "Accept": "application/jwt"},
            snapshot.LONGEST,
        )
        try:
            found = self._read_snapshot(text, nonce)
        except Unreadable as error:
            if error.code is not Code.UNKNOWN_SIGNING_KEY:
                raise
            self._keys_wanted = True
            if not self._may_ask_for_keys() or not self._try("keys", self._ask_for_keys):
                raise
            found = self._read_snapshot(text, nonce)
        self._accept(found, asked_at)

    def _read_snapshot(self, text: str, nonce: str) -> Snapshot:
        claims = jose.open_signed(
            text, typ=snapshot.TYPE, keys=self.known.keys, longest=snapshot.LONGEST
        )
        rules = self._rules
        return snapshot.read_snapshot(
            claims, issuer=rules.issuer, audience=rules.audience, nonce=nonce
        )

    def _accept(self, found: Snapshot, asked_at: float) -> None:
        before = self.known.standing
        if before and found.version <= before.snapshot.version:
            raise Malformed(
                f"version {found.version} does not follow version {before.snapshot.version}"
            )
        standing = Standing(found, before.lists if before else {})
        fresh = replace(self.known, standing=standing, asked_at=asked_at)
        if not standing.fresh(fresh.portal_time(self._clock()), self._rules):
            raise Malformed("too old when it arrived")
        self._on_word()  # what was let go on while there was no word ends, though there is one now
        self.known = fresh
        self._on_word()
        for uri in found.status_lists:
            self.want_list(uri)

    # --- Keys -----------------------------------------------------------------------------------

    def _may_ask_for_keys(self) -> bool:
        return self._clock() - self._keys_tried_at >= KEYS_AT_MOST_EVERY

    def _keys_due(self) -> bool:
        old = self._clock() - self.known.keys_at >= KEYS_EVERY
        return (old or self._keys_wanted) and self._may_ask_for_keys()

    def _ask_for_keys(self) -> None:
        asked_at = self._keys_tried_at = self._clock()
        document = self._portal.get(
            "/.well-known/jwks.json", {"Accept": "application/json"}, longest=LONGEST_KEYS
        )
        keys, known = jose.read_key_set(document), self.known
        self._keys_wanted = False
        if keys == known.keys:
            self.known = replace(known, keys_at=asked_at)
        else:
            self.known = replace(known, keys=keys, keys_at=asked_at, seen=Seen(known.seen.most))

    # --- Status lists ---------------------------------------------------------------------------

    def _refresh_lists(self) -> None:
        known, elapsed = self.known, self._clock()
        if known.standing is None:
            return
        for uri, due in sorted(self._due.copy().items(), key=lambda item: item[1]):
            if uri not in self._kept_lists and elapsed - self._used.get(uri, 0) > LIST_UNUSED:
                self._forget_list(uri)
            elif due <= elapsed:
                self._due[uri] = elapsed + LISTS_AT_MOST_EVERY
                if not self._try(f"status list {uri}", partial(self._ask_for_list, uri)):
                    return  # the others wait for the next round rather than the snapshot for them

    def _ask_for_list(self, uri: str) -> None:
        path = self._path_of(uri) or ""
        text = self._get_text(path, {"Accept": "application/statuslist+jwt"}, statuslist.LONGEST)
        try:
            claims = jose.open_signed(
                text, typ=statuslist.TYPE, keys=self.known.keys, longest=statuslist.LONGEST
            )
        except Unreadable as error:
            self._keys_wanted |= error.code is Code.UNKNOWN_SIGNING_KEY
            raise
        found = statuslist.read_status_list(claims, uri=uri, issuer=self._rules.issuer)
        self._accept_list(uri, found)

    def _accept_list(self, uri: str, found: StatusList) -> None:
        standing, elapsed = self.known.standing, self._clock()
        if standing is None:
            return
        before = standing.lists.get(uri)
        if before and found.issued_at < before.issued_at:
            raise Malformed("older than the one before")
        now = self.known.portal_time(elapsed)
        if not found.fresh(now, self._rules.oldest):
            raise Malformed("too old, or from the future")
        self._due[uri] = elapsed + min(max(found.ttl, LISTS_AT_MOST_EVERY), LISTS_EVERY)
        self._keep_lists(standing, {**standing.lists, uri: found})

    def _forget_list(self, uri: str) -> None:
        del self._due[uri]
        self._used.pop(uri, None)
        self.problems.pop(f"status list {uri}", None)
        standing = self.known.standing
        if standing:
            rest = {name: listed for name, listed in standing.lists.items() if name != uri}
            self._keep_lists(standing, rest)

    def _keep_lists(self, standing: Standing, lists: dict[str, StatusList]) -> None:
        self.known = replace(self.known, standing=replace(standing, lists=lists))

    def _path_of(self, uri: str) -> str | None:
        """Where on the portal this list stands; None for an address that is not the portal's."""
        for base in (self._rules.issuer.rstrip("/"), self._portal.url):
            path = uri.removeprefix(base)
            if path != uri and _PATH.fullmatch(path):
                return path
        return None

    # --- Reading --------------------------------------------------------------------------------

    def _get_text(self, path: str, headers: dict[str, str], longest: int) -> str:
        try:
            return self._portal.get(path, headers, longest=longest).decode("ascii")
        except UnicodeDecodeError:
            raise Malformed("not ASCII") from None
