"""Tokens whose signature was found good, so that it need not be computed again at each call."""

from hashlib import sha256

from access_verifier.identity import Identity


class Seen:
    """Holds `most` tokens at most, by SHA-256. Belongs to one set of keys and dies with it.

    Only the signature and the reading are spared: what the token says is judged anew each time.
    Whoever has no token of the portal cannot put anything here. Two generations instead of an
    order of use: nothing is iterated, so threads need no lock.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._young: dict[bytes, Identity] = {}
        self._old: dict[bytes, Identity] = {}

    @staticmethod
    def name(token: str) -> bytes:
        return sha256(token.encode(errors="surrogatepass")).digest()

    def get(self, name: bytes) -> Identity | None:
        return self._young.get(name) or self._old.get(name)

    def put(self, name: bytes, identity: Identity) -> None:
        half, young = self.most // 2, self._young
        if half == 0:
            return
        if len(young) >= half:
            self._old = young
            self._young = young = {}
        young[name] = identity
