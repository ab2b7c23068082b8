"""The released `openstack` client against the room over a real socket; each effect is confirmed by a second call."""

import pytest

from tests.rooms.identity.command_line import Client, client, named

# Each command is a process of its own that takes a second to start.
pytestmark = pytest.mark.thorough

__all__ = ["client"]


def test_each_seeded_cloud_logs_in_where_it_says(client: Client) -> None:
    demo, catalog, versions = client(
        "token issue -f json", "catalog list -f json", "versions show --service identity -f json", cloud="stackyard"
    )
    (admin,) = client("token issue -f json")
    (system,) = client("token issue -f json", cloud="stackyard-system-admin")
    assert demo["user_id"] != admin["user_id"] == system["user_id"]
    assert demo["project_id"] != admin["project_id"]
    assert "project_id" not in system
    assert system["system"] == "all"
    assert named(catalog) == {"keystone", "neutron", "swift"}
    assert [(each["Version"], each["Status"]) for each in versions] == [("3.14", "CURRENT")]


def test_domains_and_projects(client: Client) -> None:
    domain, shown, upper, lower, tree, tagged, changed, island, domains, projects = client(
        "domain create --description far land -f json",
        "domain show land -f json",
        "project create --domain land --description top --tag red --property colour=blue upper -f json",
        "project create --domain land --parent upper lower -f json",
        "project show --domain land --parents --children upper -f json",
        "project list --tags red -f json",
        "project set --domain land --name bottom --tag green --disable lower",
        "project show --domain land bottom -f json",
        "project delete --domain land bottom",
        "domain set --disable --name island land",
        "domain show island -f json",
        "domain delete island",
        "domain list -f json",
        "project list -f json",
    )
    assert domain == shown
    assert upper["colour"] == "blue"
    assert (lower["parent_id"], lower["domain_id"]) == (upper["id"], domain["id"])
    assert (tree["parents"], tree["subtree"]) == ({domain["id"]: None}, {lower["id"]: None})
    assert named(tagged) == {"upper"}
    assert (changed["id"], changed["enabled"], changed["tags"]) == (lower["id"], False, ["green"])
    assert (island["id"], island["enabled"]) == (domain["id"], False)
    assert named(domains) == {"Default"}
    assert named(projects) == {"admin", "demo", "service"}


def test_users_and_groups(client: Client) -> None:
    made, shown, _, members, groups, left, after, users = client(
        "user create --domain default --password secret --email ada@example.org --project demo ada -f json",
        "user show ada -f json",
        "group create crew -f json",
        "group add user crew ada",
        "user list --group crew -f json",
        "group list --user ada -f json",
        "group remove user crew ada",
        "user list --group crew -f json",
        "user set --name countess --disable ada",
        "user show countess -f json",
        "group delete crew",
        "user delete countess",
        "user list -f json",
    )
    assert shown == made
    assert shown["email"] == "ada@example.org"
    assert (named(members), named(groups), left) == ({"ada"}, {"crew"}, [])
    assert (after["id"], after["enabled"]) == (made["id"], False)
    assert "countess" not in named(users)


def test_people_change_their_own_password_and_log_in_with_it(client: Client) -> None:
    client(
        "user create --domain default --password old --project demo bob -f json",
        "role add --user bob --project demo member",
    )
    as_bob = ["--os-username", "bob", "--os-project-name", "demo"]
    change = "user password set --original-password old --password new"
    changed = client.run([*as_bob, "--os-password", "old", *change.split()], "stackyard")
    assert changed.returncode == 0, changed.stderr
    assert client.run([*as_bob, "--os-password", "old", "token", "issue"], "stackyard").returncode != 0
    assert client.run([*as_bob, "--os-password", "new", "token", "issue"], "stackyard").returncode == 0


def test_roles_are_made_implied_given_and_taken_back(client: Client) -> None:
    _, _, _, implied, given, effective, left = client(
        "role create captain -f json",
        "role create cook -f json",
        "implied role create captain --implied-role cook -f json",
        "implied role list -f json",
        "role add --user demo --project demo captain",
        "role add --user demo --system all reader",
        "role add --user demo --domain default --inherited reader",
        "role assignment list --user demo --names -f json",
        "role assignment list --user demo --project demo --effective --names -f json",
        "role remove --user demo --system all reader",
        "role remove --user demo --domain default --inherited reader",
        "implied role delete captain --implied-role cook",
        "role delete captain cook",
        "role assignment list --user demo --names -f json",
    )
    assert ("captain", "cook") in {(each["Prior Role Name"], each["Implied Role Name"]) for each in implied}
    held = {(each["Role"], each["Project"], each["Domain"], each["System"], each["Inherited"]) for each in given}
    assert held == {
        ("member", "demo@Default", "", "", False),
        ("captain", "demo@Default", "", "", False),
        ("reader", "", "", "all", False),
        ("reader", "", "Default", "", True),
    }
    assert named(effective, "Role") == {"member", "reader", "captain", "cook"}
    assert named(left, "Role") == {"member"}


def test_regions_services_and_endpoints(client: Client) -> None:
    _, service, endpoint, endpoints = client(
        "region create --description up north -f json",
        "service create --name kitchen --description hot cooking -f json",
        "endpoint create --region north cooking public http://kitchen/%(project_id)s -f json",
        "endpoint list --service cooking -f json",
    )
    assert (service["name"], service["type"]) == ("kitchen", "cooking")
    assert (endpoint["region"], endpoint["service_name"]) == ("north", "kitchen")
    assert [each["URL"] for each in endpoints] == ["http://kitchen/%(project_id)s"]
    entry, changed, services, regions = client(
        "catalog show cooking -f json",
        f"endpoint set --disable {endpoint['id']}",
        f"endpoint show {endpoint['id']} -f json",
        "service delete kitchen",
        "region delete north",
        "service list -f json",
        "region list -f json",
    )
    assert entry["type"] == "cooking"
    assert changed["enabled"] is False
    assert "kitchen" not in named(services)
    assert named(regions, "Region") == {"RegionOne"}


def test_an_ordinary_member_is_told_what_they_may_not(client: Client) -> None:
    refused = client.run(["user", "list"], "stackyard")
    assert refused.returncode != 0
    assert "identity:list_users" in refused.stderr
    assert "403" in refused.stderr


def test_a_revoked_token_is_refused(client: Client) -> None:
    (issued,) = client("token issue -f json", cloud="stackyard")
    client(f"token revoke {issued['id']}")
    bare = {
        "OS_AUTH_TYPE": "token",
        "OS_TOKEN": issued["id"],
        "OS_AUTH_URL": client.auth_url,
        "OS_PROJECT_NAME": "demo",
    }
    refused = client.run(["token", "issue"], "", **bare, OS_PROJECT_DOMAIN_ID="default")
    assert refused.returncode != 0
    assert "HTTP 404" in refused.stderr, "as Keystone answers to an ended token that is to be exchanged"
