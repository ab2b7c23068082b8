"""The files by which people log in: `clouds.yaml`, `openrc` and `openrc-admin` in the state directory.

They are the only place where the first passwords stand in clear. Each is 0600 and replaced whole or not at all, and is
written before the hash of its password is committed: after a crash between the two, the next start finds the file and
commits the hash made from it.
"""

import os
import secrets
import shlex
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CLOUDS = "clouds.yaml"
#: Clouds in the file: name → (user, its scope).
_CLOUDS: dict[str, tuple[str, dict[str, str]]] = {
    "stackyard": ("demo", {"project_name": "demo", "project_domain_id": "default"}),
    "stackyard-admin": ("admin", {"project_name": "admin", "project_domain_id": "default"}),
    "stackyard-system-admin": ("admin", {"system_scope": "all"}),
}
_OPENRC = {"openrc": "stackyard", "openrc-admin": "stackyard-admin"}


_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The passwords of the first users, by name."""

    passwords: dict[str, str]

    @classmethod
    def fresh(cls) -> "Credentials":
        """New random passwords: 24 letters and digits, which need no quoting anywhere."""
        return cls(passwords={user: "".join(secrets.choice(_LETTERS) for _ in range(24)) for user in ("admin", "demo")})


def read(folder: Path) -> Credentials | None:
    """The passwords in `clouds.yaml`, or None when the file is missing or does not hold them."""
    try:
        clouds = yaml.safe_load((folder / CLOUDS).read_text())["clouds"]
        passwords = {user: clouds[name]["auth"]["password"] for name, (user, _) in _CLOUDS.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None
    whole = all(isinstance(each, str) and each for each in passwords.values())
    return Credentials(passwords=passwords) if whole else None


def write(folder: Path, credentials: Credentials, auth_url: str, region: str, authority: str = "") -> None:
    """Write the files that are not there or do not say this; those that do stay as they are. `authority`: the file of
    the certificate that clients must trust, when it is none of those that everybody trusts."""
    trusted = {"cacert": authority} if authority else {}
    clouds = _clouds(credentials, auth_url, region, trusted)
    _replace(folder / CLOUDS, yaml.safe_dump({"clouds": clouds}, sort_keys=False))
    for name, cloud in _OPENRC.items():
        user, scope = _CLOUDS[cloud]
        _replace(folder / name, _openrc(user, scope, credentials.passwords[user], auth_url, region, trusted))


def _clouds(credentials: Credentials, auth_url: str, region: str, trusted: dict[str, str]) -> dict[str, Any]:
    return {
        name: {
            "auth": {
                "auth_url": auth_url,
                "username": user,
                "password": credentials.passwords[user],
                "user_domain_id": "default",
                **scope,
            },
            "region_name": region,
            "identity_api_version": "3",
            "interface": "public",
            **trusted,
        }
        for name, (user, scope) in _CLOUDS.items()
    }


def _openrc(
    user: str, scope: dict[str, str], password: str, auth_url: str, region: str, trusted: dict[str, str]
) -> str:
    values = {
        "auth_type": "password",
        "auth_url": auth_url,
        "username": user,
        "password": password,
        "user_domain_id": "default",
        **scope,
        "region_name": region,
        "identity_api_version": "3",
        "interface": "public",
        **trusted,
    }
    lines = [f"export OS_{name.upper()}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join(
        ["# Log in with: . ./" + ("openrc-admin" if user == "admin" else "openrc"), "unset OS_CLOUD", *lines, ""]
    )


def _replace(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text and path.stat().st_mode & 0o777 == 0o600:
        return
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
