"""The keys: shared by all servers of a cloud, rotated while they run, worth nothing to who reads the database alone."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from stackyard.cli.identity_verbs import identity_verbs
from stackyard.kernel.errors import BadRequest
from stackyard.kernel.secret import FILE, CloudSecret
from stackyard.kernel.settings import save
from stackyard.kernel.storage import archive
from stackyard.kernel.storage.database import Transaction
from stackyard.rooms.identity import reconcile, rotation, store
from stackyard.rooms.identity.keys import Keys, Sealer
from tests.databases import state_url
from tests.rooms.identity.cloud import Cloud
from tests.rooms.identity.conftest import MovableClock


def works(cloud: Cloud, token: str) -> bool:
    return cloud.ask("GET", "/v3/auth/projects", token=token).status_code == 200


def keys_of(cloud: Cloud) -> Keys:
    return rotation.keys_of(cloud.services)


def ids(cloud: Cloud) -> set[str]:
    """The keys of tokens."""
    return {each["id"] for each in rotation.told(cloud.services) if each["use"] == "token"}


@pytest.fixture
def other(cloud: Cloud, clock: MovableClock) -> Iterator[Cloud]:
    """A further server of the same cloud."""
    made = Cloud(cloud.settings.state_dir, clock)
    yield made
    made.close()


def test_a_token_of_any_server_is_good_on_every_other_at_every_moment_of_a_rotation(cloud: Cloud, other: Cloud) -> None:
    servers = (cloud, other)
    made: list[str] = []
    for turn in range(4):
        made += [each.token("demo") for each in servers]
        assert all(works(each, token) for each in servers for token in made)
        rotation.rotate(servers[turn % 2].services, keys_of(servers[turn % 2]).tokens)
        # The one that has not rotated makes the next token under what it knows, before anything else tells it.
        late = servers[(turn + 1) % 2].token("demo")
        assert all(works(each, token) for each in servers for token in (*made, late))


def test_a_rotation_leaves_one_staged_and_one_primary_key_and_old_ones_until_nothing_needs_them(
    cloud: Cloud, clock: MovableClock
) -> None:
    ring = keys_of(cloud).tokens

    def states() -> list[str]:
        return sorted(each["state"] for each in rotation.told(cloud.services) if each["use"] == "token")

    before = {each["id"]: each["state"] for each in rotation.told(cloud.services) if each["use"] == "token"}
    rotation.rotate(cloud.services, ring)
    after = {each["id"]: each["state"] for each in rotation.told(cloud.services) if each["use"] == "token"}
    assert {before[each]: state for each, state in after.items() if each in before} == {
        "staged": "primary", "primary": "secondary",
    }  # fmt: skip
    assert states() == ["primary", "secondary", "staged"]
    clock.ahead += timedelta(days=2)
    rotation.rotate(cloud.services, ring)
    assert states() == ["primary", "secondary", "secondary", "staged"], "expired tokens may be asked for that long"
    clock.ahead += timedelta(days=3)
    rotation.rotate(cloud.services, ring)
    assert states() == ["primary", "secondary", "staged"]


def test_a_key_that_got_out_is_replaced_and_its_tokens_end_on_every_server_at_once(cloud: Cloud, other: Cloud) -> None:
    token = cloud.token("demo")
    assert works(cloud, token)
    assert works(other, token)
    before = ids(cloud)
    rotation.rotate(cloud.services, keys_of(cloud).tokens, compromised=True)
    assert not before & ids(cloud), "the staged one may have got out with it"
    assert not works(cloud, token)
    assert not works(other, token)
    assert works(other, cloud.token("demo"))
    assert works(cloud, other.token("demo"))


def test_who_reads_the_database_alone_gets_no_key(cloud: Cloud, tmp_path: Path) -> None:
    with cloud.database.read() as tx:
        rows = [row for ring in keys_of(cloud).rings for row in store.keys(tx, ring.use)]
    assert len(rows) == 6
    stranger = CloudSecret.make(tmp_path)
    for row in rows:
        with pytest.raises(ValueError, match="another secret"):
            stranger.open(row.sealed)


def test_the_secret_is_its_owners_only(cloud: Cloud) -> None:
    assert (cloud.settings.state_dir / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("brought", ["none", "another", "damaged"])
def test_a_server_without_the_clouds_secret_does_not_start_and_says_which_file_it_lacks(
    cloud: Cloud, tmp_path: Path, brought: str
) -> None:
    secret = cloud.settings.state_dir / FILE
    kept = tmp_path / "kept"
    shutil.move(secret, kept)
    if brought == "another":
        CloudSecret.make(cloud.settings.state_dir)
    elif brought == "damaged":
        secret.write_bytes(b"half a s")
    with pytest.raises(RuntimeError, match=r"cloud\.secret"):
        Cloud(cloud.settings.state_dir)
    shutil.move(kept, secret)
    again = Cloud(cloud.settings.state_dir)
    assert works(again, cloud.token("demo"))
    again.close()


def test_what_was_encrypted_is_encrypted_anew_in_small_transactions_before_its_key_goes(cloud: Cloud) -> None:
    sealer = Sealer(keys_of(cloud).credentials)
    with cloud.database.write() as tx:
        rows = {number: (sealer.primary(tx), sealer.seal(tx, b"secret %d" % number, 0)) for number in range(450)}
    transactions: list[int] = []

    def reseal(tx: Transaction, sealer: Sealer, at_most: int) -> int:
        primary = sealer.primary(tx)
        old = [number for number, (key, _) in rows.items() if key != primary][:at_most]
        for number in old:
            opened = sealer.open(tx, rows[number][1])
            assert opened is not None
            rows[number] = primary, sealer.seal(tx, opened, 0)
        transactions.append(len(old))
        return len(old)

    cloud.services.bound["identity_reseals"] = {"credential": [reseal]}
    rotation.rotate(cloud.services, keys_of(cloud).credentials, compromised=True)
    assert transactions == [200, 200, 50, 0]
    with cloud.database.read() as tx:
        assert all(sealer.open(tx, sealed) == b"secret %d" % number for number, (_, sealed) in rows.items())
        assert {key for key, _ in rows.values()} == {sealer.primary(tx)}


def test_keys_are_rotated_by_themselves_when_they_are_a_week_old(cloud: Cloud, clock: MovableClock) -> None:
    assert reconcile.rotate_when_old(cloud.services).repaired == []
    clock.ahead += timedelta(days=7, minutes=1)
    assert len(reconcile.rotate_when_old(cloud.services).repaired) == 3
    assert reconcile.rotate_when_old(cloud.services).repaired == []


def test_the_operator_rotates_one_kind_of_keys_and_is_shown_no_secret(cloud: Cloud) -> None:
    verbs = identity_verbs(cloud.services)
    before = verbs["identity-keys"]("")
    verbs["identity-rotate-keys"]("jws")
    after = verbs["identity-keys"]("")
    assert [each for each in after if each["use"] != "jws"] == [each for each in before if each["use"] != "jws"]
    assert [each["state"] for each in after if each["use"] == "jws"] != [
        each["state"] for each in before if each["use"] == "jws"
    ]
    assert all(set(each) == {"id", "use", "state", "since"} for each in after)
    token = cloud.token("demo")
    verbs["identity-replace-keys"]("token")
    assert not works(cloud, token)
    with pytest.raises(BadRequest, match="no keys of the use door"):
        verbs["identity-rotate-keys"]("door")


def test_a_restored_archive_brings_the_keys_and_the_secret_that_opens_them(
    cloud: Cloud, tmp_path: Path, own_database: Callable[[str], str]
) -> None:
    token = cloud.token("demo")
    save(cloud.settings)
    archive.backup(cloud.settings, tmp_path / "cloud.tar")
    rotation.rotate(cloud.services, keys_of(cloud).tokens, compromised=True)
    assert not works(cloud, token)
    elsewhere = tmp_path / "elsewhere"
    archive.restore(tmp_path / "cloud.tar", elsewhere, own_database(state_url(elsewhere)))
    restored = Cloud(elsewhere)
    assert works(restored, token)
    assert not works(restored, cloud.token("demo"))
    assert (elsewhere / FILE).stat().st_mode & 0o777 == 0o600
    restored.close()
