"""The signatures that EC2 and S3 clients put on their requests: AWS signature versions 0, 1, 2 and 4.

Sources: AWS, "Signing AWS API requests" (v4) and "Signature Version 2 signing process"; EC2's oldest versions as
Keystone's clients sign them. Every function raises ValueError for what is no such request.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_V4 = "AWS4-HMAC-SHA256"
_LAST = "aws4_request"
#: What a string to sign may be for when only it, and not the request, is shown (s3tokens).
_SERVICES = ("s3", "iam", "sts")


def of_request(secret: str, signed: Mapping[str, Any], host: str) -> str:
    """The signature that a request must have: verb, path, params, headers and body_hash as the service saw them."""
    params = _texts(signed.get("params"))
    version = params.get("SignatureVersion")
    if version == "0":
        return _sha1(secret, _required(params, "Action") + _required(params, "Timestamp"))
    if version == "1":
        return _sha1(secret, "".join(name + params[name] for name in sorted(params, key=str.lower)))
    if version == "2":
        return _version_2(secret, signed, params, host)
    headers = _texts(signed.get("headers"))
    if headers.get("Authorization", "").startswith(_V4) or params.get("X-Amz-Algorithm") == _V4:
        return _Version4(params, headers).sign(secret, signed, host)
    raise ValueError("no known version of signature")


def of_text(secret: str, text: bytes) -> str:
    """The signature that a string to sign must have (S3)."""
    if not text.startswith(b"AWS4"):
        return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()
    parts = text.decode().split("\n")
    scope = parts[2].split("/") if len(parts) == 4 else []
    if parts[0] != _V4 or len(scope) != 4 or scope[3] != _LAST or scope[2] not in _SERVICES:
        raise ValueError("no string to sign of version 4")
    return hmac.new(_signing_key(secret, scope), text, hashlib.sha256).hexdigest()


def _texts(given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError("params and headers are objects")
    return {str(name): each if isinstance(each, str) else str(each) for name, each in given.items()}


def _required(values: Mapping[str, str], name: str) -> str:
    if name not in values:
        raise ValueError(f"{name} is missing")
    return values[name]


def _sha1(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _version_2(secret: str, signed: Mapping[str, Any], params: dict[str, str], host: str) -> str:
    query = _canonical({**params, "SignatureMethod": "HmacSHA256"})
    text = f"{signed.get('verb')}\n{host}\n{signed.get('path')}\n{query}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _canonical(params: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(params[name], safe='-_.~')}" for name in sorted(params))


def _signing_key(secret: str, scope: list[str]) -> bytes:
    key = f"AWS4{secret}".encode()
    for each in scope:
        key = hmac.new(key, each.encode(), hashlib.sha256).digest()
    return key


class _Version4:
    """A request signed with version 4, by the header `Authorization` or by parameters."""

    def __init__(self, params: dict[str, str], headers: dict[str, str]) -> None:
        self._params = params
        self._headers = headers
        self._given = _authorization(headers.get("Authorization", ""))

    def sign(self, secret: str, signed: Mapping[str, Any], host: str) -> str:
        """The signature it must have."""
        scope = self._said("Credential").split("/")[1:]
        moment = self._headers.get("X-Amz-Date") or _required(self._params, "X-Amz-Date")
        if len(scope) != 4 or scope[3] != _LAST or not moment.startswith(scope[0]):
            raise ValueError("the scope is not the request's")
        request = hashlib.sha256(self._request(signed, host).encode()).hexdigest()
        text = "\n".join((_V4, moment, "/".join(scope), request))
        return hmac.new(_signing_key(secret, scope), text.encode(), hashlib.sha256).hexdigest()

    def _request(self, signed: Mapping[str, Any], host: str) -> str:
        verb = str(signed.get("verb")).upper()
        # A POST's parameters are in its body, whose hash is signed.
        params = {} if verb == "POST" else {k: v for k, v in self._params.items() if k != "X-Amz-Signature"}
        names = self._said("SignedHeaders")
        body = str(signed.get("body_hash"))
        return "\n".join((verb, str(signed.get("path")), _canonical(params), self._lines(names, host), names, body))

    def _lines(self, names: str, host: str) -> str:
        known = {name.lower().strip(): value.strip() for name, value in self._headers.items()}
        if "host" in known:
            known["host"] = host
        return "".join(f"{name}:{known[name]}\n" for name in names.split(";") if name in known)

    def _said(self, name: str) -> str:
        return self._given[name] if name in self._given else _required(self._params, f"X-Amz-{name}")


def _authorization(header: str) -> dict[str, str]:
    parts = (each.strip().partition("=") for each in header.removeprefix(_V4).split(","))
    return {name: value for name, _, value in parts if value}
