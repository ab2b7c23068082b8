"""The cloud's settings: chosen once by `stackyard up`, recorded in the state directory, the same at every later
start."""

import os
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import msgspec

FILE = "settings.json"
#: In `services`: every one that there is, also those of later versions.
ALL = "all"


class UnreadableSettings(ValueError):
    """The file that records what was settled of a cloud, or of a node, holds nothing of the kind."""


class SecurityCompliance(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Rules for passwords and accounts, by Keystone's names in [security_compliance]. None: there is no such rule.

    Days: disable_user_account_days_inactive, password_expires_days, minimum_password_age. lockout_duration: seconds.
    unique_last_password_count: how many of the last ones, the present one included, a new password must differ
    from. password_regex: what a password must match from its beginning; password_regex_description: how that is told
    to people. report_invalid_password_hash: ["event"] has the audit trail told a keyed digest of wrong passwords.
    """

    disable_user_account_days_inactive: Annotated[int, msgspec.Meta(ge=1)] | None = None
    lockout_failure_attempts: Annotated[int, msgspec.Meta(ge=1)] | None = None
    lockout_duration: Annotated[int, msgspec.Meta(ge=1)] = 1800
    password_expires_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    unique_last_password_count: Annotated[int, msgspec.Meta(ge=0, le=24)] = 0
    minimum_password_age: Annotated[int, msgspec.Meta(ge=0)] = 0
    password_regex: str | None = None
    password_regex_description: str | None = None
    change_password_upon_first_use: bool = False
    report_invalid_password_hash: list[Literal["event"]] = []
    invalid_password_hash_secret_key: str = ""
    invalid_password_hash_function: Literal["sha256", "sha384", "sha512"] = "sha256"
    invalid_password_hash_max_chars: Annotated[int, msgspec.Meta(ge=1, le=88)] = 10

    def __post_init__(self) -> None:
        """Raise ValueError for rules that cannot hold together."""
        try:
            re.compile(self.password_regex or "")
        except re.error as error:
            raise ValueError(f"password_regex is no regular expression: {error}") from error
        if self.report_invalid_password_hash and not self.invalid_password_hash_secret_key:
            raise ValueError("report_invalid_password_hash needs invalid_password_hash_secret_key")
        if self.password_expires_days is not None and self.minimum_password_age >= self.password_expires_days:
            raise ValueError("minimum_password_age must be less than password_expires_days")


class OAuth2(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How programs get tokens by OAuth 2.0, by Keystone's names in [oauth2]: how a client may prove to be one, and the
    mapping that says which user a client certificate's names mean."""

    oauth2_authn_methods: list[Literal["tls_client_auth", "client_secret_basic"]] = msgspec.field(
        default_factory=lambda: ["tls_client_auth", "client_secret_basic"]
    )
    oauth2_cert_dn_mapping_id: str = "oauth2_mapping"


class Settings(msgspec.Struct, kw_only=True):
    """What the operator chose. `cloud_id` marks everything this cloud makes on a host; `state_dir` holds all its state.

    services: the rooms that are served, by name, or "all". engine: "private" (Stackyard's own dockerd) or the URL of an
    existing one. password_cost: bcrypt rounds. token_lifetime: seconds. token_provider: the form in which tokens are
    made; both are read. import_from: servers ("http://host:port") that images may be imported from though they are not
    on the public internet. nodes: ADDRESS:PORT where other machines' nodes connect; empty: this machine is the cloud's
    only one. tls: whether the API speaks TLS with a certificate of its own making; tls_cert, tls_key: files of one that
    the operator gives. tls_client_ca: file of the authorities whose certificates clients may present;
    client_certificate_header: the header in which trusted proxies pass on the one that was presented to them; empty:
    they do not. cors_origins: origins whose pages may use the API from a browser. max_requests: answered at once.
    trusted_proxies: addresses or networks of reverse proxies that are believed about their clients.
    external_user_header, external_domain_header: headers in which those proxies name users whom they have
    authenticated; empty: they cannot. traces: base URL of an OpenTelemetry collector (OTLP over HTTP) that spans are
    sent to. audit: where the audit trail goes: "log" (in the state directory), "file:/PATH", URLs; nothing: there is
    none. drain: seconds that a server which is to stop goes on answering while it says that it is not ready.
    security_compliance, oauth2: see there.
    """

    state_dir: Path
    cloud_id: str = msgspec.field(default_factory=lambda: secrets.token_hex(2))
    host: str = "127.0.0.1"
    port: int = 8800
    public_url: str = ""
    region: str = "RegionOne"
    #: How unified limits of domains and projects bound each other, as Keystone's enforcement models of these names do.
    limit_model: Literal["flat", "strict_two_level"] = "flat"
    services: list[str] = msgspec.field(default_factory=lambda: [ALL])
    database: str = ""
    engine: str = "private"
    external_cidr: str = "203.0.113.0/24"
    password_cost: int = 12
    token_lifetime: int = 3600
    token_provider: Literal["fernet", "jws"] = "fernet"
    import_from: list[str] = []
    nodes: str = ""
    tls: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    client_certificate_header: str = ""
    cors_origins: list[str] = []
    max_requests: int = 512
    trusted_proxies: list[str] = []
    external_user_header: str = ""
    external_domain_header: str = ""
    traces: str = ""
    drain: float = 0
    audit: list[str] = msgspec.field(default_factory=lambda: ["log"])
    security_compliance: SecurityCompliance = SecurityCompliance()
    oauth2: OAuth2 = OAuth2()

    @property
    def base_url(self) -> str:
        """The URL that all links and the catalog carry."""
        scheme = "https" if self.serves_tls else "http"
        return self.public_url or f"{scheme}://{self.host}:{self.port}"

    @property
    def serves_tls(self) -> bool:
        """Whether the API speaks TLS itself."""
        return self.tls or bool(self.tls_cert)

    @property
    def authority(self) -> str:
        """The certificate that clients must trust when the API's is of the cloud's own making, else empty."""
        return str(self.state_dir / "tls" / "ca.pem") if self.tls and not self.tls_cert else ""

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the database."""
        return self.database or f"sqlite:///{self.state_dir / 'stackyard.db'}"

    @property
    def run_dir(self) -> Path:
        """Sockets and process files: short paths, gone after a reboot."""
        return Path("/run") / f"stackyard-{self.cloud_id}"

    @property
    def operator_socket(self) -> Path:
        """Where the operator's commands reach the running server."""
        return self.state_dir / "operator.sock"


def served(room: str, chosen: Collection[str]) -> bool:
    """Whether a room is among the chosen services."""
    return ALL in chosen or room in chosen


def load(state_dir: Path) -> Settings | None:
    """The recorded settings of a state directory, or None when there is no cloud yet. Raises UnreadableSettings."""
    path = state_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings, dec_hook=_to_path)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise UnreadableSettings(
            f"{path} holds no settings of a cloud: {error}. Mend it, or take the one in a backup (state/{FILE})"
        ) from error


def save(settings: Settings) -> None:
    """Record the settings, readable by the owner only; whole or not at all."""
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.state_dir / FILE
    scratch = path.with_suffix(".new")
    encoded = msgspec.json.format(msgspec.json.encode(settings, enc_hook=str), indent=2)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _to_path(kind: type, value: object) -> Path:
    return Path(str(value))
