"""A passkey in software: it signs what a browser would have a device sign."""

import hashlib
import json
import os

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import STATE_SESSION_KEY
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

HOST = "testserver"
FLAG, TYPE = AuthenticatorData.FLAG, CollectedClientData.TYPE


class Passkey:
    def __init__(self):
        self.key, self.id = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    def register(self, challenge):
        """What a browser sends for a new passkey."""
        public = ES256.from_cryptography_key(self.key.public_key())
        made = AttestedCredentialData.create(b"\0" * 16, self.id, public)
        data = _data(FLAG.UP | FLAG.UV | FLAG.AT, made)
        client = _client(TYPE.CREATE, challenge)
        answer = {"attestationObject": AttestationObject.create("none", data, {})}
        return self._sent({**answer, "clientDataJSON": client})

    def sign_in(self, challenge, user):
        data, client = _data(FLAG.UP | FLAG.UV), _client(TYPE.GET, challenge)
        signature = self.key.sign(data + client.hash, ec.ECDSA(hashes.SHA256()))
        answer = {"authenticatorData": data, "clientDataJSON": client, "signature": signature}
        return self._sent({**answer, "userHandle": user_pk_to_url_str(user).encode()})

    def of(self, user):
        """As if the user had registered it."""
        credential = {**self.register(b"0" * 32), "clientExtensionResults": {"credProps": {}}}
        data = {"name": "Laptop", "credential": credential}
        Authenticator.objects.create(user=user, type="webauthn", data=data)
        return self

    def _sent(self, answer):
        coded = {name: websafe_encode(part) for name, part in answer.items()}
        own = websafe_encode(self.id)
        return {
            "id": own,
            "rawId": own,
            "type": "public-key",
            "response": coded,
            "clientExtensionResults": {},
        }


def challenge_of(client):
    """What the last page asked to be signed."""
    return websafe_decode(client.session[STATE_SESSION_KEY]["challenge"])


def _data(flags, made=b""):
    return AuthenticatorData.create(hashlib.sha256(HOST.encode()).digest(), flags, 0, made)


def _client(kind, challenge):
    return CollectedClientData.create(kind, challenge, f"http://{HOST}")


def as_sent(credential):
    return [json.dumps(credential)]
