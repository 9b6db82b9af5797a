"""What the processes are told. Whatever the caller's environment says already stands."""

import base64
import json
import os
import secrets
from pathlib import Path

from portal import embedded
from portal.variables import new_signing_key

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DATA_DIR") or ROOT / ".data").resolve()
GATEWAY = DATA / "demo" / "gateway.env"
# What the sandbox has of ours: what any program needs, and its own setting.
_BARE = ("PATH", "HOME", "LANG", "LIMITS_FAIL")


def portal(urls: dict[str, str], web: int = 8000, sandbox: int = 8001) -> dict[str, str]:
    """The settings of the portal in demo mode, on plain http on this machine."""
    told = {
        **_secrets(),
        "DEMO": "1",
        "DATA_DIR": str(DATA),
        "PROMETHEUS_MULTIPROC_DIR": str(DATA / "metrics"),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "BASE_URL": f"http://127.0.0.1:{web}",
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox}",
        "PYTHONUNBUFFERED": "1",
        # Whoever runs this as root does so on a machine of their own, and on loopback. In
        # production Celery still says what it thinks of it.
        "PYTHONWARNINGS": "ignore::Warning:celery.platforms",
    }
    return told | os.environ | urls


def sandbox(web: int, counters: str) -> dict[str, str]:
    """A gateway elsewhere would know no more than this: where to ask, its own credentials, and a
    Redis to count in. Here that is the one that carries the rings; one of its own would do.
    """
    known = dict(line.split("=", 1) for line in GATEWAY.read_text().splitlines())
    bare = {name: os.environ[name] for name in _BARE if name in os.environ}
    return bare | known | {"PORTAL_URL": f"http://127.0.0.1:{web}", "SANDBOX_LIMITS_URL": counters}


def _secrets() -> dict[str, str]:
    """Made once and kept, so that sessions and keys outlive a restart; what is missing is added."""
    path = DATA / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    pepper = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    wanted = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "CREDENTIAL_PEPPERS": f"1:{pepper}",
        "SIGNING_KEYS": new_signing_key(),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
    } | kept
    if wanted != kept:
        embedded.write_private(path, json.dumps(wanted))
    return wanted
