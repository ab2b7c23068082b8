"""How identity providers are connected: `federation.yaml` in the state folder, the operator's side of federation.

The API says which providers and protocols there are and what their assertions mean; this file says how to reach a
provider and what to believe of it, with the secrets that no API shows. It is read again when it changes; everybody else
being able to read it is refused, because of the secrets. docs/operate/federation.md tells it to operators.
"""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from stackyard.kernel.errors import Unavailable
from stackyard.rooms.identity.resources.saml.sections import Issuer, SamlProvider, check_url

FILE = "federation.yaml"
log = logging.getLogger("stackyard.federation")
#: Every signature with a public key that JSON Web Algorithms know.
SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class Oidc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that speaks OpenID Connect.

    issuer: its URL, under which its description is found and which its tokens name. client_id, client_secret (or the
    file that holds it): this cloud's account there. scopes: asked for by WebSSO. audiences: whom bearer tokens must be
    for (this client). algorithms: signatures that are taken. userinfo: whether what it tells of a person beside their
    token counts too. claim_prefix: what attributes are called in mappings. leeway: seconds by which clocks may differ.
    ca_file: whom to trust for TLS. The addresses are found by discovery unless given.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = SIGNATURES
    userinfo: bool = False
    claim_prefix: str = "OIDC-"
    leeway: int = 30
    ca_file: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    introspection_endpoint: str = ""
    userinfo_endpoint: str = ""
    jwks_uri: str = ""

    def __post_init__(self) -> None:
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "introspection_endpoint",
                     "userinfo_endpoint", "jwks_uri"):  # fmt: skip
            check_url(name, getattr(self, name))
        if unknown := set(self.algorithms) - set(SIGNATURES):
            raise ValueError(f"`algorithms` may not name {', '.join(sorted(unknown))}, only {', '.join(SIGNATURES)}")

    @property
    def secret(self) -> str:
        """The client's secret. Raises Unavailable when its file cannot be read."""
        if not self.client_secret_file:
            return self.client_secret
        try:
            return Path(self.client_secret_file).read_text().strip()
        except OSError as error:
            raise Unavailable(f"The client secret of {self.issuer} cannot be read: {error.strerror}.") from error


class Proxied(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that a reverse proxy speaks with, such as Apache's mod_auth_openidc, mod_shib or mod_auth_mellon: the
    proxy says in headers who it is. remote_user: the header with the person's name, if there is one."""

    proxy: bool
    remote_user: str = "X-Remote-User"

    def __post_init__(self) -> None:
        if not self.proxy:
            raise ValueError("`proxy` can only be true; leave the protocol out otherwise")


Connection = Oidc | Proxied | SamlProvider


class Connections(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file.

    trusted_dashboards: addresses to which WebSSO hands tokens, compared whole. default_authorization_ttl: minutes, for
    providers that set none. providers: by identity provider and protocol. saml: how this cloud vouches for its people
    to others; without it, it does not.
    """

    trusted_dashboards: tuple[str, ...] = ()
    default_authorization_ttl: int = 0
    saml: Issuer | None = None
    providers: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)

    def of(self, provider_id: str, protocol_id: str) -> Connection | None:
        """How that protocol of that provider is connected, if it is."""
        found: Connection | None = self.providers.get(provider_id, {}).get(protocol_id)
        return found


def parse(text: str) -> Connections:
    """What a file says. Raises ValueError with what is wrong with it."""
    try:
        raw = msgspec.convert(yaml.safe_load(text) or {}, Connections)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from error
    providers = {
        provider_id: {
            str(protocol_id): _connection(section, f"providers.{provider_id}.{protocol_id}")
            for protocol_id, section in protocols.items()
        }
        for provider_id, protocols in raw.providers.items()
    }
    return msgspec.structs.replace(raw, providers=providers)


def _connection(section: Any, where: str) -> Connection:
    said = section if isinstance(section, dict) else {}
    kind: Any = Proxied if "proxy" in said else SamlProvider if "entity_id" in said else Oidc
    try:
        made: Connection = msgspec.convert(section, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from error
    return made


class ConnectionsFile:
    """The file in a state folder, read again when it has changed."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE
        self._lock = threading.Lock()
        self._read: tuple[int, Connections] | None = None

    def current(self) -> Connections:
        """What the file says now; nothing when there is none. Raises Unavailable when it cannot be used."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return Connections()
        if status.st_mode & 0o077:
            raise self._unusable("others can read it, and it holds secrets", f"Run: chmod 600 {FILE}")
        with self._lock:
            if self._read is None or self._read[0] != status.st_mtime_ns:
                self._read = status.st_mtime_ns, self._parsed()
            return self._read[1]

    def _parsed(self) -> Connections:
        try:
            return parse(self.path.read_text())
        except (OSError, ValueError) as error:
            log.error("federation.yaml cannot be used", extra={"reason": str(error)})
            raise self._unusable("it is not as it must be; the server's log says where", "Mend it.") from error

    def _unusable(self, why: str, remedy: str) -> Unavailable:
        said = f"Federation is not available: {FILE} of this server cannot be used, as {why}."
        return Unavailable(said, remedy=remedy)
