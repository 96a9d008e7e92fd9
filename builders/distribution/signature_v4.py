"""Sign requests to S3, and find the credentials: Signature Version 4 of Amazon Web Services.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
The credentials come from the environment, else from the profile in the file of credentials. They are never shown.
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple

EMPTY = hashlib.sha256(b"").hexdigest()
_REGION = "us-east-1"


class AwsAccess(NamedTuple):
    """Credentials and region. key: "" to ask without credentials."""

    key: str
    secret: str
    token: str
    region: str

    def __repr__(self) -> str:
        return f"AwsAccess(region={self.region!r})"


def find_access(environ: Mapping[str, str]) -> AwsAccess:
    """Return the credentials of the environment, or of the profile in the user's files."""
    home = environ.get("HOME", "")
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    config = _section(environ.get("AWS_CONFIG_FILE") or f"{home}/.aws/config", profile, f"profile {profile}")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or config.get("region") or _REGION
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if key and secret:
        return AwsAccess(key, secret, environ.get("AWS_SESSION_TOKEN", ""), region)
    file = environ.get("AWS_SHARED_CREDENTIALS_FILE") or f"{home}/.aws/credentials"
    for found in (_section(file, profile), config):
        if found.get("aws_access_key_id") and found.get("aws_secret_access_key"):
            token = found.get("aws_session_token", "")
            return AwsAccess(found["aws_access_key_id"], found["aws_secret_access_key"], token, region)
    return AwsAccess("", "", "", region)


def _section(path: str, *names: str) -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_string(file.read(1 << 20))
    except (OSError, ValueError, configparser.Error):
        return {}
    for name in names:
        if parser.has_section(name):
            return dict(parser.items(name))
    return {}


def sign(
    access: AwsAccess, method: str, host: str, path: str, query: str, payload: str, now: float | None = None
) -> dict[str, str]:
    """Return the headers that authorise a request. path, query: quoted; the query sorted. payload: its SHA-256."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() if now is None else now))
    headers = {"x-amz-content-sha256": payload, "x-amz-date": stamp}
    if not access.key:
        return headers
    if access.token:
        headers["x-amz-security-token"] = access.token
    signed = {"host": host, **headers}
    names = ";".join(sorted(signed))
    listed = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = "\n".join((method, path, query, listed, names, payload))
    scope = f"{stamp[:8]}/{access.region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{access.secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, text).hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
