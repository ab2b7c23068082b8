"""The first start and every later one: rows, passwords, and the files they stand in."""

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stackyard.rooms.identity import credentials
from tests.rooms.identity.cloud import SYSTEM, Admin, Cloud, project_scope

FILES = ("clouds.yaml", "openrc", "openrc-admin")


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {name: ((folder / name).read_bytes(), (folder / name).stat().st_mtime_ns) for name in FILES}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    yield cloud
    cloud.close()


def test_the_files_are_for_their_owner_only_and_log_in(cloud: Cloud) -> None:
    for name in FILES:
        assert stat.S_IMODE((cloud.settings.state_dir / name).stat().st_mode) == 0o600
    clouds = yaml.safe_load((cloud.settings.state_dir / "clouds.yaml").read_text())["clouds"]
    assert set(clouds) == {"stackyard", "stackyard-admin", "stackyard-system-admin"}
    assert clouds["stackyard"]["auth"]["auth_url"] == "http://cloud.test/identity"
    assert clouds["stackyard"]["region_name"] == "RegionOne"
    assert cloud.log_in("demo", project_scope("demo")).status_code == 201
    assert cloud.log_in("admin", project_scope("admin")).status_code == 201
    assert cloud.log_in("admin", project_scope("demo")).status_code == 201
    assert cloud.log_in("admin", SYSTEM).status_code == 201
    assert cloud.password("admin") != cloud.password("demo")


def test_the_openrc_files_say_what_clouds_yaml_says(cloud: Cloud) -> None:
    for name, user in (("openrc", "demo"), ("openrc-admin", "admin")):
        script = f". {cloud.settings.state_dir / name} && echo $OS_USERNAME $OS_PROJECT_NAME $OS_PASSWORD"
        told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
        assert told == [user, user, cloud.password(user)]


def test_seeding_again_changes_nothing(cloud: Cloud, do: Admin) -> None:
    before = everything(cloud.settings.state_dir)
    kinds = ("users", "projects", "roles", "endpoints", "services", "regions")
    listed = {kind: do.do("GET", f"/v3/{kind}").json[kind] for kind in kinds}
    grants = do.do("GET", "/v3/role_assignments").json
    cloud.seed()
    assert everything(cloud.settings.state_dir) == before
    assert {kind: do.do("GET", f"/v3/{kind}").json[kind] for kind in kinds} == listed
    assert do.do("GET", "/v3/role_assignments").json == grants


def test_a_crash_between_the_file_and_the_commit_is_taken_up(empty: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    real = credentials.write

    def write_and_die(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(credentials, "write", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        empty.seed()
    monkeypatch.undo()
    before = everything(empty.settings.state_dir)
    empty.seed()
    assert everything(empty.settings.state_dir) == before
    assert empty.log_in("demo").status_code == 201
    assert empty.log_in("admin").status_code == 201


@pytest.mark.parametrize("lost", ["openrc", "openrc-admin", "clouds.yaml"])
def test_a_crash_between_two_files_leaves_all_of_them_right(empty: Cloud, lost: str) -> None:
    empty.seed()
    (empty.settings.state_dir / lost).unlink()
    (empty.settings.state_dir / f".{lost}.new").write_text("half a fi")
    empty.seed()
    assert stat.S_IMODE((empty.settings.state_dir / lost).stat().st_mode) == 0o600
    assert empty.log_in("demo").status_code == 201
    assert f"OS_PASSWORD={empty.password('demo')}\n" in (empty.settings.state_dir / "openrc").read_text()


def test_a_broken_file_is_made_anew_while_its_passwords_are_those_of_the_seed(cloud: Cloud, demo: str) -> None:
    old = cloud.password("demo")
    (cloud.settings.state_dir / "clouds.yaml").write_text("clouds: [")
    cloud.seed()
    assert cloud.password("demo") != old
    assert cloud.log_in("demo").status_code == 201
    assert cloud.log_in("demo", password=old).status_code == 401
    assert cloud.ask("GET", "/v3/auth/projects", token=demo).status_code == 401


def test_a_password_that_somebody_has_changed_is_never_taken_back(cloud: Cloud, do: Admin) -> None:
    do.change("user", do.named("user", "demo")["id"], password="mine now")
    cloud.seed()
    assert cloud.log_in("demo", password="mine now").status_code == 201
    for name in FILES:
        (cloud.settings.state_dir / name).unlink()
    cloud.seed()
    assert cloud.log_in("demo", password="mine now").status_code == 201
    assert not (cloud.settings.state_dir / "clouds.yaml").exists()


def test_a_new_address_reaches_the_files_and_the_catalog_with_the_same_passwords(seeded: Path, tmp_path: Path) -> None:
    shutil.copytree(seeded, tmp_path / "moved")
    moved = Cloud(tmp_path / "moved", public_url="https://cloud.example")
    old = moved.password("demo")
    moved.seed()
    assert moved.password("demo") == old
    assert "auth_url: https://cloud.example/identity" in (tmp_path / "moved" / "clouds.yaml").read_text()
    catalog = moved.log_in("demo").json["token"]["catalog"]
    assert {url["url"].split("/")[2] for each in catalog for url in each["endpoints"]} == {"cloud.example"}
    assert all(len(each["endpoints"]) == 3 for each in catalog)
    moved.close()


def test_the_roles_of_the_default_policy_are_protected_until_somebody_frees_them(cloud: Cloud, do: Admin) -> None:
    for name in ("admin", "manager", "member", "reader", "service"):
        role = do.named("role", name)
        path = f"/v3/roles/{role['id']}"
        assert cloud.ask("DELETE", path, token=do.token).status_code == 403
        assert cloud.ask("PATCH", path, {"role": {"name": "other"}}, do.token).status_code == 403
        do.change("role", role["id"], options={"immutable": False})
    do.change("role", do.named("role", "service")["id"], name="another")


def test_what_the_administrator_took_away_stays_away(cloud: Cloud, do: Admin) -> None:
    demo, project = do.named("user", "demo")["id"], do.named("project", "demo")["id"]
    do.grant(f"projects/{project}", f"users/{demo}", "member", method="DELETE")
    prior, implied = do.named("role", "manager")["id"], do.named("role", "member")["id"]
    do.do("DELETE", f"/v3/roles/{prior}/implies/{implied}")
    do.do("DELETE", f"/v3/projects/{project}")
    do.do("DELETE", f"/v3/roles/{do.named('role', 'ResellerAdmin')['id']}")
    cloud.seed()
    assert do.do("GET", f"/v3/role_assignments?user.id={demo}").json["role_assignments"] == []
    assert do.do("GET", "/v3/projects?name=demo").json["projects"] == []
    assert do.do("GET", f"/v3/roles/{prior}/implies").json["role_inference"]["implies"] == []
    do.do("DELETE", f"/v3/users/{demo}")
    cloud.seed()
    assert do.do("GET", "/v3/users?name=demo").json["users"] == []
