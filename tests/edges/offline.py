"""What gateways that judge by themselves read."""

import zlib
from base64 import urlsafe_b64decode

import jwt
from django.db import connection

SNAPSHOT, LIST, LISTS = "/gateway/snapshot", "/gateway/status-list", "/gateway/status-lists"


def freeze(level, target=""):
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze(%s, %s)", [level, target])


def checked(client, text, typ):
    """The claims, as another library reads them with what we publish."""
    (published,) = client.get("/.well-known/jwks.json").json()["keys"]
    assert jwt.get_unverified_header(text)["typ"] == typ
    options = {"verify_aud": False, "require": ["iss", "iat", "exp"]}
    return jwt.decode(text, jwt.PyJWK(published), algorithms=["EdDSA"], options=options)


def bits(client):
    """The unpacked list, read by the draft alone."""
    claims = checked(client, client.get(LIST).content.decode(), "statuslist+jwt")
    lst = claims["status_list"]["lst"]
    return zlib.decompress(urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def places(client):
    return [
        8 * at + bit for at, byte in enumerate(bits(client)) for bit in range(8) if byte >> bit & 1
    ]
