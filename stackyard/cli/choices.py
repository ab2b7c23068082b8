"""What the operator chooses at a cloud's first start: checked before anything is recorded or made, then kept."""

import argparse
import ipaddress
import socket
import ssl
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from stackyard.cli import observe_options
from stackyard.cli.operator import SOCKET, CommandFailed
from stackyard.kernel.settings import ALL, SecurityCompliance, Settings, load, save, served

#: May be chosen anew at any start.
CHANGEABLE = (
    "services", "nodes", "tls", "tls_cert", "tls_key", "tls_client_ca", "cors_origins", "token_provider",
    "trusted_proxies",
    *observe_options.CHANGEABLE,
)  # fmt: skip
CHOICES = ("host", "port", "public_url", "region", "engine", "external_cidr", "database")
#: What a further server of a cloud is given before its first start, and what a disk of its own brings.
BROUGHT = {"cloud.secret", "clouds.yaml", "federation.yaml", "lost+found"}
_LONGEST_SOCKET_PATH = 107
#: Gateway, router and a few floating addresses: a smaller range is a slip of the pen.
_LONGEST_PREFIX = 28


def settle(asked: argparse.Namespace) -> Settings:
    """The cloud's settings: recorded now at the first start, read at every later one. Raises CommandFailed for what
    cannot be, and for what was chosen otherwise before."""
    state = asked.state.absolute()
    given = {name: getattr(asked, name) for name in CHOICES if getattr(asked, name, None) is not None}
    changed = {name: getattr(asked, name) for name in CHANGEABLE if getattr(asked, name, None) is not None}
    known = load(state)
    if given_rules := dict(getattr(asked, "security_compliance", None) or ()):
        changed["security_compliance"] = compliance(known, given_rules)
    if known is None:
        chosen = Settings(state_dir=state, **given, **changed)
        refuse_impossible(chosen)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        save(chosen)
        return chosen
    for name, value in given.items():
        if (before := getattr(known, name)) != value:
            option = f"--{name.replace('_', '-')}"
            made = f"with {option} {before}" if before else f"without {option}"
            raise CommandFailed(
                f"the cloud in {state} was made {made}, and that cannot be changed. Leave {option} out, or make "
                f"another cloud with --state DIR."
            )
    if any(getattr(known, name) != value for name, value in changed.items()):
        before, known = known, msgspec.structs.replace(known, **changed)
        _services(known, before.services)
        _nodes(known.nodes)
        _tls(known)
        _proxies(known.trusted_proxies)
        observe_options.refuse_impossible(known)
        save(known)
    return known


def compliance(known: Settings | None, given: Mapping[str, str]) -> SecurityCompliance:
    """The rules for passwords and accounts with these changed. Raises CommandFailed for what is no such rule."""
    before = msgspec.to_builtins(known.security_compliance if known else SecurityCompliance())
    lists = {name for name, value in before.items() if isinstance(value, list)}
    for name, value in given.items():
        if name not in before:
            raise CommandFailed(f"--security-compliance {name}: there is no such rule; there are {', '.join(before)}.")
        before[name] = value.split() if name in lists else value if value else None
    unset = {name: value for name, value in before.items() if value is not None}
    try:
        return msgspec.convert(unset, SecurityCompliance, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise CommandFailed(f"--security-compliance: {error}.") from None


def refuse_impossible(chosen: Settings) -> None:
    """Raise CommandFailed, saying what to do, for settings that no cloud can run with on this machine."""
    _state_folder(chosen.state_dir)
    _services(chosen)
    _public_url(chosen)
    _address(chosen.host, chosen.port)
    _nodes(chosen.nodes)
    _tls(chosen)
    _proxies(chosen.trusted_proxies)
    observe_options.refuse_impossible(chosen)


def _proxies(addresses: list[str]) -> None:
    for address in addresses:
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise CommandFailed(f"--trusted-proxies {address}: write addresses or networks, like 10.0.0.5.") from None


def _services(chosen: Settings, before: Collection[str] = ()) -> None:
    """before: those of the start before this one."""
    if ALL not in chosen.services:
        _some_services(chosen)

    def begins(service: str) -> bool:
        return served(service, chosen.services) and not served(service, before)

    # What the cloud itself has on this host, from when it served more, is not in its own way.
    if begins("network") and not (chosen.state_dir / "network").exists():
        _external_range(chosen.external_cidr)
    if begins("container"):
        _engine(chosen.engine)


def _some_services(chosen: Settings) -> None:
    # Imported here because most clouds serve all.
    from stackyard.assemble import has_node, rooms

    try:
        rooms(chosen.services)
    except ValueError as error:
        raise CommandFailed(f"--services {','.join(chosen.services)}: {error}.") from None
    if chosen.nodes and not has_node(chosen.services):
        raise CommandFailed(f"--nodes {chosen.nodes}: none of {','.join(chosen.services)} has use for other machines.")


def _state_folder(state: Path) -> None:
    if len(str(state / SOCKET)) > _LONGEST_SOCKET_PATH:
        raise CommandFailed(f"--state {state} is too long a path for the socket in it: choose a shorter one.")
    if state.exists() and not state.is_dir():
        raise CommandFailed(f"--state {state} is a file: name a folder.")
    # A purge removes the folder with all that is in it: it must never have held anything else.
    if state.is_dir() and any(each.name not in BROUGHT for each in state.iterdir()):
        raise CommandFailed(f"--state {state} holds files, but no cloud: name a new or an empty folder.")


def _tls(chosen: Settings) -> None:
    if bool(chosen.tls_cert) != bool(chosen.tls_key):
        raise CommandFailed("--tls-cert and --tls-key belong together: give both, or --tls alone.")
    if chosen.tls_client_ca and not chosen.serves_tls:
        raise CommandFailed("--tls-client-ca needs --tls, or --tls-cert and --tls-key.")
    trying = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if chosen.tls_cert:
            trying.load_cert_chain(chosen.tls_cert, chosen.tls_key)
    except OSError as error:
        raise CommandFailed(f"--tls-cert {chosen.tls_cert} and --tls-key {chosen.tls_key}: {error}.") from None
    try:
        if chosen.tls_client_ca:
            trying.load_verify_locations(chosen.tls_client_ca)
    except OSError as error:
        raise CommandFailed(f"--tls-client-ca {chosen.tls_client_ca}: {error}.") from None


def _external_range(cidr: str) -> None:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        raise CommandFailed(f"--external-cidr: {error}. Write it like 203.0.113.0/24.") from None
    if network.version != 4 or network.prefixlen > _LONGEST_PREFIX:
        raise CommandFailed(f"--external-cidr {cidr}: an IPv4 range of at least /{_LONGEST_PREFIX} is needed.")
    for holder, address in _addresses_here():
        if ipaddress.ip_address(address) in network:
            raise CommandFailed(
                f"--external-cidr {cidr}: {address} in it is {holder} already. Choose a range that nobody uses here, "
                f"198.51.100.0/24 say."
            )


def _addresses_here() -> Iterator[tuple[str, str]]:
    """What this machine has and what it is led by, each with who holds it."""
    from stackyard.hosts.netlink import Netlink

    with Netlink() as net:
        names = {link.index: link.name for link in net.links().values()}
        for index, address in net.all_addresses():
            yield f"this machine's own on {names.get(index, 'an interface')}", address.split("/")[0]
        for route in net.routes():
            if route.next_hop:
                yield f"the gateway to {route.destination}", route.next_hop


def _public_url(chosen: Settings) -> None:
    parts = urlsplit(chosen.public_url)
    if chosen.public_url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise CommandFailed(f"--public-url {chosen.public_url}: write it like https://cloud.example.org.")
    if not chosen.public_url and chosen.host in ("0.0.0.0", "::"):
        raise CommandFailed(
            f"--host {chosen.host} listens on every address of this machine: say with --public-url which clients use."
        )


def _engine(engine: str) -> None:
    if engine == "private":
        return
    path = engine.removeprefix("unix://")
    if path == engine or not path.startswith("/"):
        raise CommandFailed(f"--engine {engine}: only a socket of this machine can be used: unix:///path/of/docker.sock.")
    if not Path(path).exists() or not stat.S_ISSOCK(Path(path).stat().st_mode):
        raise CommandFailed(f"--engine {engine}: there is no socket {path}; is that Docker running?")


def _nodes(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not address:
        return
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or host in ("0.0.0.0", "[::]"):
        raise CommandFailed(f"--nodes {address}: give an address of this machine that nodes can reach, and a port.")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), 0))
        except OSError as error:
            raise CommandFailed(f"--nodes {address}: this machine has no such address: {error.strerror}.") from None


def _address(host: str, port: int) -> None:
    """Whether the server will be able to listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError:
            raise CommandFailed(f"--port {port}: a port is a number from 1 to 65535.") from None
        except OSError as error:
            raise CommandFailed(
                f"cannot listen on {host} port {port}: {error.strerror}. Choose another --port or --host."
            ) from None
