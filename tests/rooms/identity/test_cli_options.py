"""The options of the identity commands: each has an effect, which a second call confirms."""

import json
import shlex

import pytest

from tests.rooms.identity.command_line import client, named
from tests.rooms.identity.shell import Shell, shell

pytestmark = pytest.mark.thorough

__all__ = ["client", "shell"]

#: The options of `user create` and `user set`, and what they say in the user's options.
USER_OPTIONS = [
    ("ignore-lockout-failure-attempts", "no-ignore-lockout-failure-attempts", "ignore_lockout_failure_attempts"),
    ("ignore-password-expiry", "no-ignore-password-expiry", "ignore_password_expiry"),
    (
        "ignore-change-password-upon-first-use",
        "no-ignore-change-password-upon-first-use",
        "ignore_change_password_upon_first_use",
    ),
    ("enable-lock-password", "disable-lock-password", "lock_password"),
    ("enable-multi-factor-auth", "disable-multi-factor-auth", "multi_factor_auth_enabled"),
]


def test_domains_are_made_disabled_or_shown_when_there_are_and_protected(shell: Shell) -> None:
    made = shell("domain create --disable --immutable isles")
    assert (made["enabled"], made["options"]) == (False, {"immutable": True})
    assert shell("domain create --or-show isles")["id"] == made["id"]
    shell.refuses("domain create isles", "Duplicate")
    shell.refuses("domain set --description blue isles", "immutable")
    shell("domain set --no-immutable isles")
    shell("domain set --description blue --enable isles")
    shown = shell("domain show isles")
    assert (shown["description"], shown["enabled"], shown["options"]) == ("blue", True, {"immutable": False})
    assert named(shell("domain list --name isles")) == {"isles"}
    assert "isles" in named(shell("domain list --enabled"))
    shell("domain set --disable isles")
    assert "isles" not in named(shell("domain list --enabled"))
    shell("domain delete isles")


def test_projects_are_listed_by_all_that_they_have(shell: Shell) -> None:
    shell("domain create dale")
    made = shell("project create --domain dale --disable --immutable --tag a --tag b --property colour=red barn")
    assert (made["enabled"], made["options"], sorted(made["tags"])) == (False, {"immutable": True}, ["a", "b"])
    assert made["colour"] == "red"
    assert shell("project create --domain dale --or-show barn")["id"] == made["id"]
    shell("project set --domain dale --no-immutable barn")
    shell("project set --domain dale --enable --description big --property colour=blue barn")
    shown = shell("project show --domain dale barn")
    assert (shown["enabled"], shown["description"], shown["colour"]) == (True, "big", "blue")
    shell("project create --domain dale --parent barn --tag b loft")
    shell("project create --domain dale --disable shed")

    def listed(options: str) -> set[str]:
        return named(shell(f"project list --domain dale {options}"))

    assert listed("") == {"barn", "loft", "shed"}
    assert listed("--parent barn") == {"loft"}
    assert listed("--enabled") == {"barn", "loft"}
    assert listed("--disabled") == {"shed"}
    assert listed("--tags a,b") == {"barn"}
    assert listed("--tags-any a,b") == {"barn", "loft"}
    assert listed("--not-tags a,b") == {"loft", "shed"}
    assert listed("--not-tags-any b") == {"shed"}
    [row] = shell("project list --domain dale --tags a --long")
    assert (row["Domain ID"], row["Description"], row["Enabled"]) == (shown["domain_id"], "big", True)
    assert "barn" in named(shell("project list --sort name:desc"))
    shell("project set --domain dale --remove-tag a barn")
    assert shell("project show --domain dale barn")["tags"] == ["b"]
    shell("project set --domain dale --clear-tags barn")
    assert shell("project show --domain dale barn")["tags"] == []
    shown = shell("project show --domain dale --parents loft")
    assert made["id"] in json.dumps(shown["parents"])
    assert shell("project show --domain dale --children barn")["subtree"] is not None
    assert len(shell("project list --limit 1 --max-items 2")) == 2
    assert named(shell("project list --user demo")) == {"demo"}
    assert named(shell("project list --my-projects")) >= {"admin", "demo"}
    for each in ("loft", "barn", "shed"):
        shell(f"project delete --domain dale {each}")
    shell("domain set --disable dale")
    shell("domain delete dale")


@pytest.mark.parametrize(("yes", "no", "option"), USER_OPTIONS)
def test_options_of_users_are_set_and_lifted(shell: Shell, yes: str, no: str, option: str) -> None:
    made = shell(f"user create --{yes} --domain default optioned")
    assert made["options"] == {option: True}
    shell(f"user set --{no} optioned")
    assert shell("user show optioned")["options"] == {option: False}
    shell(f"user set --{yes} optioned")
    assert shell("user show optioned")["options"] == {option: True}
    shell("user delete optioned")
    made = shell(f"user create --{no} --domain default optioned")
    assert made["options"] == {option: False}
    shell("user delete optioned")


def test_users_are_made_changed_and_listed_by_all_that_they_have(shell: Shell) -> None:
    shell("domain create port")
    shell("project create --domain port quay")
    rules = "--multi-factor-auth-rule password,totp --multi-factor-auth-rule password"
    made = shell(
        f"user create --domain port --project quay --project-domain port --email a@b --description tall {rules} "
        "--disable --password secret eve"
    )
    assert (made["enabled"], made["email"], made["description"]) == (False, "a@b", "tall")
    assert made["default_project_id"] == shell("project show --domain port quay")["id"]
    assert made["options"]["multi_factor_auth_rules"] == [["password", "totp"], ["password"]]
    assert shell("user create --domain port --or-show eve")["id"] == made["id"]
    shell("project create --domain port pier")
    shell(
        "user set --domain port --project pier --project-domain port --email c@d --description small --enable "
        "--password other --multi-factor-auth-rule totp --name ada eve"
    )
    shown = shell("user show --domain port ada")
    assert (shown["enabled"], shown["email"], shown["description"]) == (True, "c@d", "small")
    assert shown["default_project_id"] == shell("project show --domain port pier")["id"]
    assert shown["options"]["multi_factor_auth_rules"] == [["totp"]]
    [row] = shell("user list --domain port --long")
    assert (row["Name"], row["Domain"], row["Email"], row["Enabled"]) == ("ada", shown["domain_id"], "c@d", True)
    assert row["Project"] == shown["default_project_id"]
    assert row["Description"] == "small"
    shell("user create --domain port --disable bob")
    assert named(shell("user list --domain port --enabled")) == {"ada"}
    assert named(shell("user list --domain port --disabled")) == {"bob"}
    shell("role add --user bob --user-domain port --project quay --project-domain port reader")
    assert named(shell("user list --domain port --project quay")) == {"bob"}
    assert len(shell("user list --limit 1 --max-items 2")) == 2
    first, second = (row["ID"] for row in shell("user list --max-items 2"))
    assert [row["ID"] for row in shell(f"user list --marker {first} --limit 1 --max-items 1")] == [second]
    for each in ("user delete --domain port ada", "user delete --domain port bob"):
        shell(each)
    shell.refuses("user show --domain port ada", "No User found for ada")
    shell("domain set --disable port")
    shell("domain delete port")


def test_a_password_that_was_set_lets_the_user_in(shell: Shell) -> None:
    shell("user create --domain default --password secret may")
    shell("role add --user may --project demo member")
    shell("user set --password newest may")
    words = "--os-cloud= --os-auth-type password --os-username may --os-password {} --os-user-domain-id default"
    where = f"--os-auth-url {shell.client.auth_url} --os-project-name demo --os-project-domain-id default"

    def may(password: str, command: str) -> int:
        return shell.run(*shlex.split(f"{words.format(password)} {where} {command}"))[0]

    assert may("secret", "token issue") != 0
    assert may("newest", "token issue") == 0
    assert may("newest", "user password set --original-password newest --password own") == 0
    assert may("own", "token issue") == 0
    shell("user delete may")


def test_groups_of_other_domains(shell: Shell) -> None:
    hill = shell("domain create hill")["id"]
    made = shell("group create --domain hill --description up shepherds")
    # By name the client looks for the group in a domain of that id: its slip.
    assert shell(f"group create --domain {hill} --or-show shepherds")["id"] == made["id"]
    shell("user create --domain hill zoe")
    shell("group add user --group-domain hill --user-domain hill shepherds zoe")
    both = "--group-domain hill --user-domain hill shepherds zoe"
    assert "zoe in group shepherds" in shell(f"group contains user {both}")
    assert named(shell("group list --domain hill")) == {"shepherds"}
    assert named(shell("group list --user zoe --user-domain hill")) == {"shepherds"}
    assert named(shell(f"user list --group shepherds --domain {hill}")) == {"zoe"}
    [row] = shell("group list --domain hill --long")
    assert (row["Domain ID"], row["Description"]) == (made["domain_id"], "up")
    shell("group set --domain hill --name flock --description down shepherds")
    assert shell("group show --domain hill flock")["description"] == "down"
    shell("group remove user --group-domain hill --user-domain hill flock zoe")
    assert shell("group list --user zoe --user-domain hill") == []
    status, _, said = shell.run(*shlex.split("group contains user --group-domain hill --user-domain hill flock zoe"))
    assert (status, "zoe not in group flock" in said) == (0, True)
    shell("group delete --domain hill flock")
    assert shell("group list --domain hill") == []
    shell("domain set --disable hill")
    shell("domain delete hill")


def test_roles_of_domains_and_protected_ones(shell: Shell) -> None:
    glen = shell("domain create glen")["id"]
    made = shell("role create --domain glen --description local piper")
    assert (made["description"], made["domain_id"]) == ("local", glen)
    assert shell(f"role create --domain {glen} --or-show piper")["id"] == made["id"]
    assert named(shell("role list --domain glen")) == {"piper"}
    shell("role set --domain glen --description loud --immutable piper")
    assert shell("role show --domain glen piper")["description"] == "loud"
    shell.refuses("role delete --domain glen piper", "1 of 1 roles failed to delete")
    shell("role set --domain glen --no-immutable piper")
    shell("project create --domain glen kirk")
    shell("group create --domain glen choir")
    shell("user create --domain glen iain")
    shell("group add user --group-domain glen --user-domain glen choir iain")
    shell("role add --group choir --group-domain glen --project kirk --project-domain glen --role-domain glen piper")
    shell("role add --user iain --user-domain glen --domain glen --inherited reader")
    direct = shell("role assignment list --role piper --role-domain glen --names")
    assert [(each["Group"], each["Project"]) for each in direct] == [("choir@glen", "kirk@glen")]
    of_user = "role assignment list --user iain --user-domain glen"
    effective = shell(f"{of_user} --effective --project kirk --project-domain glen --names")
    assert {each["Role"] for each in effective} == {"reader"}
    [inherited] = shell(f"{of_user} --domain glen --inherited --names")
    assert (inherited["Domain"], inherited["Inherited"]) == ("glen", True)
    assert len(shell("role assignment list --group choir --group-domain glen")) == 1
    shell("role remove --group choir --group-domain glen --project kirk --project-domain glen --role-domain glen piper")
    shell("role remove --user iain --user-domain glen --domain glen --inherited reader")
    assert shell(of_user) == shell("role assignment list --group choir --group-domain glen") == []
    shell("role add --system all --group choir --group-domain glen reader")
    assert [each["Group"] for each in shell("role assignment list --system all --names") if each["Group"]] == [
        "choir@glen"
    ]
    shell("role remove --system all --group choir --group-domain glen reader")
    own = shell("role assignment list --auth-user --auth-project --names")
    assert {(each["User"], each["Project"]) for each in own} == {("admin@Default", "admin@Default")}
    shell("role delete --domain glen piper")
    shell("role create --immutable fixed")
    shell.refuses("role set --description loose fixed", "immutable")
    shell("role set --no-immutable fixed")
    shell("role delete fixed")
    shell("domain set --disable glen")
    shell("domain delete glen")


def test_a_role_that_implies_one_is_listed_with_it(shell: Shell) -> None:
    shell("role create captain")
    shell("implied role create captain --implied-role reader")
    rows = shell("implied role list")
    assert ("captain", "reader") in {(each["Prior Role Name"], each["Implied Role Name"]) for each in rows}
    shell("implied role delete captain --implied-role reader")
    shell("role delete captain")


def test_services_regions_and_endpoints_are_changed_in_every_part(shell: Shell) -> None:
    shell("region create coast")
    made = shell("region create --parent-region coast --description wet bay")
    assert (made["parent_region"], made["description"]) == ("coast", "wet")
    assert named(shell("region list --parent-region coast"), "Region") == {"bay"}
    shell("region create cove")
    shell("region set --parent-region bay cove")
    assert shell("region show cove")["parent_region"] == "bay"
    assert shell("service create --disable --name pilot --description guide piloting")["enabled"] is False
    shell("service set --type steering --description leads --enable pilot")
    shown = shell("service show pilot")
    assert (shown["type"], shown["description"], shown["enabled"]) == ("steering", "leads", True)
    [row] = [each for each in shell("service list --long") if each["Name"] == "pilot"]
    assert (row["Type"], row["Description"], row["Enabled"]) == ("steering", "leads", True)
    shell("service create --name other mooring")
    point = shell("endpoint create --disable --region coast pilot public http://pilot")
    assert point["enabled"] is False
    shell(f"endpoint set --region bay --interface admin --url http://new --service other --enable {point['id']}")
    shown = shell(f"endpoint show {point['id']}")
    assert (shown["region"], shown["interface"], shown["url"]) == ("bay", "admin", "http://new")
    assert (shown["service_name"], shown["enabled"]) == ("other", True)
    for options in ("--region bay", "--service other", "--interface admin --region bay"):
        assert named(shell(f"endpoint list {options}"), "ID") == {point["id"]}
    assert shell("endpoint list --region coast") == []
    project = "--project-domain default"
    shell(f"endpoint add project {project} {point['id']} demo")
    assert point["id"] in named(shell(f"endpoint list --project demo {project}"), "ID")
    assert named(shell(f"endpoint list --endpoint {point['id']}"), "Name") == {"demo"}
    shell(f"endpoint remove project {project} {point['id']} demo")
    filters = shell.file("bay.json", json.dumps({"region_id": "bay"}))
    group = shell(f"endpoint group create --description few bay {filters}")
    shell(f"endpoint group set --description fewer {group['id']}")
    assert shell(f"endpoint group show {group['id']}")["description"] == "fewer"
    shell(f"endpoint group add project {project} {group['id']} demo")
    assert named(shell(f"endpoint group list --endpointgroup {group['id']} --domain default")) == {"demo"}
    shell(f"endpoint group remove project {project} {group['id']} demo")
    for each in (f"endpoint group delete {group['id']}", f"endpoint delete {point['id']}"):
        shell(each)
    for each in ("service delete pilot other", "region delete cove", "region delete bay", "region delete coast"):
        shell(each)


def test_limits_are_listed_by_all_that_they_are_for(shell: Shell) -> None:
    shell("region create east")
    registered = "registered limit create --service keystone --description few"
    wide = shell(f"{registered} --default-limit 10 boats")
    east = shell(f"{registered} --default-limit 4 --region east boats")
    ids = {wide["id"], east["id"]}
    assert named(shell("registered limit list --service keystone --resource-name boats"), "ID") == ids
    assert named(shell("registered limit list --region east"), "ID") == {east["id"]}
    shell("service create --name wharf docking")
    shell(
        "registered limit set --service wharf --resource-name ships --default-limit 6 --description some "
        f"--region east {wide['id']}"
    )
    shown = shell(f"registered limit show {wide['id']}")
    assert (shown["resource_name"], shown["default_limit"], shown["description"]) == ("ships", 6, "some")
    assert (shown["region_id"], shown["service_id"]) == ("east", shell("service show wharf")["id"])
    own = shell(
        "limit create --project demo --project-domain default --service wharf --region east --resource-limit 5 "
        "--description own ships"
    )
    for options in ("--service wharf", "--resource-name ships", "--region east", "--project demo"):
        assert named(shell(f"limit list {options}"), "ID") == {own["id"]}, options
    assert shell("limit list --project admin --project-domain default") == []
    shell(f"limit set --description mine --resource-limit 3 {own['id']}")
    shown = shell(f"limit show {own['id']}")
    assert (shown["description"], shown["resource_limit"]) == ("mine", 3)
    for each in (f"limit delete {own['id']}", f"registered limit delete {' '.join(ids)}"):
        shell(each)
    shell("service delete wharf")
    shell("region delete east")


def test_credentials_of_other_people(shell: Shell) -> None:
    shell("user create --domain default --password secret lea")
    shell("role add --user lea --project demo member")
    made = shell("credential create --type cert lea paper")
    assert named(shell("credential list --user lea"), "ID") == {made["id"]}
    assert shell("credential list --user demo --type cert") == []
    shell(f"credential delete {made['id']}")
    whose = "--user lea --user-domain default"
    keys = shell(f"ec2 credentials create {whose} --project demo --project-domain default")
    assert named(shell(f"ec2 credentials list {whose}"), "Access") == {keys["access"]}
    assert shell(f"ec2 credentials show {whose} {keys['access']}")["secret"] == keys["secret"]
    shell(f"ec2 credentials delete {whose} {keys['access']}")
    assert shell(f"ec2 credentials list {whose}") == []
    assert shell("application credential list --user lea --user-domain default") == []
    shell("user delete lea")


def test_application_credentials_are_made_as_asked(shell: Shell) -> None:
    made = shell(
        "application credential create --secret known --expiration 2040-01-02T03:04:05 --description mine "
        "--unrestricted --role reader --role member tool"
    )
    assert made["Secret"] == "known"
    assert (made["Unrestricted"], made["Description"]) == (True, "mine")
    assert made["Expires At"] == "2040-01-02T03:04:05.000000"
    assert all(f"'name': '{each}'" in str(made["Roles"]) for each in ("reader", "member"))
    shown = shell("application credential show tool")
    assert (shown["Unrestricted"], shown["Expires At"]) == (True, "2040-01-02T03:04:05.000000")
    assert shell("application credential create --restricted bound")["Unrestricted"] is False
    shell("application credential delete tool bound")
    assert shell("application credential list") == []


def test_trusts_are_listed_by_who_gives_and_who_is_given(shell: Shell) -> None:
    people = "--trustor-domain default --trustee-domain default"
    made = shell(
        f"trust create --project admin --project-domain default {people} --expiration 2040-01-02T03:04:05 "
        "--role reader --role member admin demo"
    )
    assert made["expires_at"] == "2040-01-02T03:04:05.000000Z"
    assert made["is_impersonation"] is False
    assert {each["name"] for each in made["roles"]} == {"reader", "member"}
    for options in ("--trustor admin --trustor-domain default", "--trustee demo --trustee-domain default"):
        assert named(shell(f"trust list {options}"), "ID") == {made["id"]}
    assert named(shell("trust list --auth-user"), "ID") == {made["id"]}
    assert shell("trust list --trustor demo") == []
    shell(f"trust delete {made['id']}")


def test_identity_and_service_providers_are_made_and_changed_in_every_part(shell: Shell) -> None:
    ids = shell.file("ids", "https://one\nhttps://two\n")
    made = shell(
        f"identity provider create --remote-id-file {ids} --description far --domain default --authorization-ttl 10 "
        "--disable college"
    )
    assert (made["enabled"], made["description"], made["domain_id"]) == (False, "far", "default")
    shell("identity provider set --remote-id https://three --authorization-ttl 20 --enable college")
    shown = shell("identity provider show college")
    assert (shown["enabled"], shown["remote_ids"], shown["authorization_ttl"]) == (True, ["https://three"], 20)
    shell(f"identity provider set --remote-id-file {ids} --disable college")
    assert shell("identity provider show college")["remote_ids"] == ["https://one", "https://two"]
    shell("identity provider create --remote-id https://four school")
    assert named(shell("identity provider list --id school"), "ID") == {"school"}
    assert named(shell("identity provider list --enabled"), "ID") == {"school"}
    shell("identity provider delete college school")
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]
    file = shell.file("rules.json", json.dumps(rules))
    assert shell(f"mapping create --rules {file} --schema-version 1.0 plain")["schema_version"] == "1.0"
    newer = [{"local": [{"user": {"name": "{0}"}, "domain": {"name": "x"}}], "remote": [{"type": "REMOTE_USER"}]}]
    shell(f"mapping set --rules {shell.file('newer.json', json.dumps(newer))} --schema-version 2.0 plain")
    assert shell("mapping show plain")["schema_version"] == "2.0"
    shell("mapping delete plain")
    made = shell(
        "service provider create --auth-url https://sp/v3 --service-provider-url https://sp/ecp --description near "
        "--disable twin"
    )
    assert (made["enabled"], made["description"]) == (False, "near")
    shell("service provider set --auth-url https://sp2/v3 --service-provider-url https://sp2/ecp --enable twin")
    shown = shell("service provider show twin")
    assert (shown["enabled"], shown["auth_url"], shown["sp_url"]) == (True, "https://sp2/v3", "https://sp2/ecp")
    shell("service provider delete twin")


def test_policies_of_a_type(shell: Shell) -> None:
    made = shell(f"policy create --type application/json {shell.file('rules', '{}')}")
    shell(f"policy set --type text/plain {made['id']}")
    [row] = shell("policy list --long")
    assert (row["Type"], row["Rules"]) == ("text/plain", "{}")
    shell(f"policy delete {made['id']}")


def test_the_catalog_and_a_token_are_shown(shell: Shell) -> None:
    assert "keystone" in named(shell("catalog list"))
    assert shell("catalog show keystone")["type"] == "identity"
    token = shell("token issue -f json")
    assert {"id", "expires", "project_id", "user_id"} <= token.keys()
    shell(f"token revoke {token['id']}")
    shell.refuses(f"token revoke {token['id']}", "Could not find token")
