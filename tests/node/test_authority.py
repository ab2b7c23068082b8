"""Who is let in: tokens, certificates, renewal, revocation, and everyone who is refused."""

import socket
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stackyard.kernel import enrolment
from stackyard.kernel.settings import UnreadableSettings
from stackyard.kernel.steps import Transient
from stackyard.kernel.storage.database import Database
from stackyard.node import admission, certificates
from stackyard.node.admission import Join
from stackyard.node.authority import Authority, Denied
from stackyard.node.certificates import Signer
from stackyard.node.home import Home
from stackyard.node.tls import LINK, TlsTransport
from stackyard.node.transport import TransportClosed
from stackyard.testing.cloud import free_port
from tests.node.conftest import wait_until
from tests.node.premises import Premises, new_database, premises


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = new_database(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(database: Database) -> Iterator[Premises]:
    with premises(database) as made:
        yield made


def test_a_machine_with_a_token_becomes_a_node_and_is_served(server: Premises, tmp_path: Path) -> None:
    server.agent(server.joined(tmp_path))
    assert server.nodes.wait_for("yard1", 30)
    assert server.driver().add(1) == 11
    [known] = server.authority.nodes()
    assert (known.name, known.revoked) == ("yard1", False)
    [state] = server.nodes.states()
    assert state.facts.hostname == "yard1", "the cloud knows it by the name it joined with"


def test_keys_are_for_their_owner_only_and_the_token_is_kept_by_its_digest(server: Premises, tmp_path: Path) -> None:
    home, token = Home(tmp_path / "n"), server.token()
    home.join(server.address, token, "yard1")
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in home.folder.iterdir()} == {0o600}
    with server.database.read() as tx:
        [row] = tx.find(enrolment.TOKENS)
    assert token.partition(".")[0] not in str(row)


def test_a_token_lets_in_once(server: Premises, tmp_path: Path) -> None:
    token = server.token()
    Home(tmp_path / "one").join(server.address, token, "one")
    with pytest.raises(Denied, match="has been used, by node one"):
        Home(tmp_path / "two").join(server.address, token, "two")
    with pytest.raises(Denied, match="has been used"):
        Home(tmp_path / "thief").join(server.address, token, "one")
    assert [each.name for each in server.authority.nodes()] == ["one"]


def test_a_join_whose_answer_was_lost_is_asked_again_with_the_same_token(server: Premises) -> None:
    token = server.token()
    request = certificates.request_for(certificates.new_key())
    first = admission.join(server.address, server.authority.signer.certificate, Join(token, "yard1", request))
    again = admission.join(server.address, server.authority.signer.certificate, Join(token, "yard1", request))
    assert first.certificate != again.certificate
    assert again.servers == [server.address]


def test_an_expired_token_is_refused(server: Premises, tmp_path: Path) -> None:
    token = server.token(timedelta(minutes=5))
    server.time.ahead = timedelta(minutes=6)
    with pytest.raises(Denied, match="expired"):
        Home(tmp_path / "late").join(server.address, token, "late")


def test_a_made_up_token_is_refused(server: Premises, tmp_path: Path) -> None:
    made_up = f"{'x' * 32}.{server.authority.signer.fingerprint}"
    with pytest.raises(Denied, match="not one of this cloud"):
        Home(tmp_path / "n").join(server.address, made_up, "n")


@pytest.mark.parametrize("token", ["", "word", "a.b", f".{'0' * 64}"])
def test_what_is_no_token_is_told_before_anything_is_sent(server: Premises, tmp_path: Path, token: str) -> None:
    with pytest.raises(ValueError, match="no join token"):
        Home(tmp_path / "n").join(server.address, token, "n")
    assert not (tmp_path / "n").exists()


def test_the_token_is_never_shown_to_a_server_of_another_authority(server: Premises, tmp_path: Path) -> None:
    other = Signer(*Signer.create(datetime.now(UTC)))
    token = server.token().partition(".")[0] + "." + other.fingerprint
    with pytest.raises(Denied, match="not one of the cloud that the token is for"):
        Home(tmp_path / "n").join(server.address, token, "n")
    with server.database.read() as tx:
        assert [each.used_at for each in tx.find(enrolment.TOKENS)] == [None]


@pytest.mark.parametrize("name", ["", "-", "a b", "../x", "x" * 64, "é"])
def test_a_name_that_no_host_can_have_is_refused(server: Premises, tmp_path: Path, name: str) -> None:
    with pytest.raises(Denied, match="no name of a host"):
        Home(tmp_path / "n").join(server.address, server.token(), name)


def test_a_name_that_is_taken_is_refused_until_its_node_is_revoked(server: Premises, tmp_path: Path) -> None:
    server.joined(tmp_path)
    with pytest.raises(Denied, match="there is a node yard1 already"):
        Home(tmp_path / "other").join(server.address, server.token(), "yard1")
    server.authority.revoke("yard1")
    Home(tmp_path / "other").join(server.address, server.token(), "yard1")


def test_the_servers_own_host_cannot_be_joined_as(server: Premises, tmp_path: Path) -> None:
    server.authority.own_node = "brain"
    with pytest.raises(Denied, match="there is a node brain already"):
        Home(tmp_path / "n").join(server.address, server.token(), "brain")


def test_a_revoked_node_is_cut_off_and_not_let_in_again(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    agent = server.agent(home)
    assert server.nodes.wait_for("yard1", 30)
    server.authority.revoke("yard1")
    wait_until(lambda: server.nodes.names() == [])
    wait_until(lambda: "broken off" in agent.states()[server.address])
    assert not server.nodes.wait_for("yard1", 1)
    with pytest.raises(Denied, match="revoked"):
        home.renew_when_due(datetime.now(UTC) + timedelta(days=29))
    with pytest.raises(Denied, match="no node of the name"):
        server.authority.revoke("yard1")


def test_a_revoked_node_may_join_again_and_keeps_the_mark_of_its_things(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    before = home.record().cloud_id
    server.authority.revoke("yard1")
    home.join(server.address, server.token(), "yard1")
    assert home.record().cloud_id == before
    server.agent(home)
    assert server.nodes.wait_for("yard1", 30)


def test_a_certificate_is_renewed_in_time_and_with_a_new_key(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    old, end = (home.folder / "identity.pem").read_text(), home.expires_at()
    assert not home.renew_when_due()
    server.time.ahead = timedelta(days=21)
    assert home.renew_when_due(server.time.now())
    new = (home.folder / "identity.pem").read_text()
    assert home.expires_at() > end
    assert not set(old.splitlines()[1:4]) & set(new.splitlines()[1:4]), "the key is another"


def test_a_certificate_is_renewed_by_any_server_that_answers_and_the_old_one_serves_to_its_end(
    server: Premises, tmp_path: Path
) -> None:
    home = server.joined(tmp_path)
    server.agent(home)
    assert server.nodes.wait_for("yard1", 30)
    home.servers_are([f"127.0.0.1:{free_port()}", server.address])
    [old] = serials(server)
    server.time.ahead = timedelta(days=21)
    assert home.renew_when_due(server.time.now())
    assert len(serials(server)) == 2
    assert server.authority.good([old]) == {old}, "what is connected by it stays connected"
    server.time.ahead = timedelta(days=31)
    assert server.authority.good([old]) == set()


def serials(server: Premises) -> list[str]:
    with server.database.read() as tx:
        return [each.serial for each in enrolment.certificates(tx)]


def test_a_connection_lasts_no_longer_than_its_certificate(server: Premises, tmp_path: Path) -> None:
    server.agent(server.joined(tmp_path))
    assert server.nodes.wait_for("yard1", 30)
    server.time.ahead = timedelta(days=31)
    wait_until(lambda: server.nodes.names() == [])


@pytest.mark.thorough
def test_a_running_node_outlives_its_certificates(database: Database, tmp_path: Path) -> None:
    with premises(database, timedelta(seconds=3)) as server:
        server.agent(server.joined(tmp_path))
        assert server.nodes.wait_for("yard1", 30)
        ends = {server.authority.nodes()[0].expires_at}
        wait_until(lambda: len(ends | {server.authority.nodes()[0].expires_at}) > 1)
        later = datetime.now(UTC) + timedelta(seconds=4)
        wait_until(lambda: datetime.now(UTC) > later)
        assert server.nodes.wait_for("yard1", 30)
        assert server.driver().add(1) == 11


def test_an_expired_certificate_is_refused(database: Database, tmp_path: Path) -> None:
    with premises(database, timedelta(seconds=1)) as server:
        home = server.joined(tmp_path)
        wait_until(lambda: datetime.now(UTC) > home.expires_at())
        assert refusal(home, server.address) == "sslv3 alert certificate expired"


def test_a_certificate_of_another_authority_is_refused(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    other = Signer(*Signer.create(datetime.now(UTC)))
    key = certificates.new_key()
    issued = other.issue_to_node(certificates.request_for(key), "yard1", datetime.now(UTC), timedelta(days=1))
    (home.folder / "identity.pem").write_text(key + issued.pem)
    assert "unknown ca" in refusal(home, server.address)
    assert server.nodes.names() == []


def test_a_node_does_not_talk_to_a_server_of_another_authority(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    impostor = new_database(tmp_path, "impostor")
    with premises(impostor) as other, pytest.raises(TransportClosed, match="certificate verify failed"):
        home.connect(other.address)
    impostor.close()


def test_a_node_cannot_play_a_server(server: Premises, tmp_path: Path) -> None:
    identity = (server.joined(tmp_path).folder / "identity.pem").read_text()
    authority = server.authority.signer.certificate
    playing = certificates.server_context(authority, identity)
    server.listener._context = playing
    with pytest.raises(TransportClosed, match="certificate verify failed"):
        Home(tmp_path / "yard1").connect(server.address)


def test_a_link_needs_a_certificate(server: Premises) -> None:
    context = certificates.client_context(LINK, server.authority.signer.certificate)
    transport = TlsTransport(admission.dial(server.address, 5), context, is_server=False)
    transport.handshake(5)
    with pytest.raises(TransportClosed):
        transport.receive()
    assert server.nodes.names() == []


def test_a_node_that_says_another_name_than_its_certificate_is_cut_off(server: Premises, tmp_path: Path) -> None:
    home = server.joined(tmp_path)
    written = (home.folder / "node.json").read_text()
    (home.folder / "node.json").write_text(written.replace("yard1", "yard2"))
    server.agent(home)
    assert not server.nodes.wait_for("yard2", 1)
    assert server.nodes.names() == []


def test_a_server_that_is_not_there_is_worth_another_try(server: Premises, tmp_path: Path) -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        Home(tmp_path / "n").join(f"127.0.0.1:{free_port()}", server.token(), "n")


def test_what_is_no_server_for_nodes_is_said_to_be_none(tmp_path: Path) -> None:
    """The API's port, most likely."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Transient, match=f"what answers at {address} does not speak as servers do to nodes"):
            Home(tmp_path / "n").join(address, f"a.{'0' * 64}", "n")


def test_a_folder_that_holds_something_else_is_told_before_the_token_is_used(server: Premises, tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text("{")
    with pytest.raises(UnreadableSettings, match=r"node\.json holds nothing of a node: Input data was truncated"):
        Home(tmp_path).join(server.address, server.token(), "yard1")
    assert server.authority.nodes() == []


def test_a_request_that_its_key_has_not_signed_is_refused(server: Premises) -> None:
    with pytest.raises(Denied, match="certificate signing request"):
        server.authority.join(server.token(), "-----BEGIN NONSENSE-----", "yard1")


def test_a_server_that_died_is_no_longer_named_and_one_that_lives_is(server: Premises) -> None:
    server.authority.listens("198.51.100.1:8801")
    assert len(server.authority.addresses()) == 2
    server.time.ahead = timedelta(minutes=5)
    wait_until(lambda: server.authority.addresses() == [server.address])


def test_all_servers_of_a_cloud_share_one_authority(database: Database) -> None:
    now = lambda: datetime.now(UTC)  # noqa: E731
    first, second = Authority(database, now), Authority(database, now)
    assert first.signer.fingerprint == second.signer.fingerprint


def refusal(home: Home, address: str) -> str:
    """Why a server lets the node not in."""
    with pytest.raises(TransportClosed) as closed:
        home.connect(address).receive()
    return str(closed.value).rpartition(": ")[2]
