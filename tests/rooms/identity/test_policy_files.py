"""Operators' policy files are written in Keystone's words, and mean here what they mean there."""

from pathlib import Path

import pytest

from stackyard.kernel.caller import Caller
from stackyard.kernel.request.policy import Policies, rules_of
from stackyard.rooms.identity.room import ROOM

ADMIN = Caller(user_id="a", project_id="p", roles=("admin",))
SERVICE = Caller(user_id="s", project_id="p", roles=("service",))
PERSON = Caller(user_id="u", project_id="p", roles=("reader",))
THEIRS = {
    "user_id": "u",
    "target.token.user_id": "u",
    "target.trust.trustor_user_id": "u",
    "trust.trustor_user_id": "u",
}


#: Every rule that Keystone declares in keystone/common/policies (2026-07-17, 30ef2ffa).
KEYSTONES = set(Path(__file__).with_name("keystone_rules.txt").read_text().split())
#: Rules of our own, for what Keystone lacks.
OURS = {"identity:revoke_tokens_for_user"}


def test_every_rule_of_keystone_is_one_here_by_the_same_name_and_hardly_another() -> None:
    assert {each.name for each in rules_of(ROOM)} == KEYSTONES | OURS


@pytest.mark.parametrize(
    ("check", "let_in"),
    [
        ("rule:admin_required", {ADMIN.user_id}),
        ("rule:service_or_admin", {ADMIN.user_id, SERVICE.user_id}),
        ("rule:admin_or_owner", {ADMIN.user_id, PERSON.user_id}),
        ("rule:admin_or_token_subject", {ADMIN.user_id, PERSON.user_id}),
        ("rule:service_admin_or_token_subject", {ADMIN.user_id, SERVICE.user_id, PERSON.user_id}),
        ("user_id:%(trust.trustor_user_id)s", {PERSON.user_id}),
        ("rule:not_declared_anywhere", set()),
    ],
)
def test_a_rule_of_an_operators_file_lets_in_whom_it_names(tmp_path: Path, check: str, let_in: set[str]) -> None:
    (tmp_path / "identity.yaml").write_text(f'"identity:create_trust": "{check}"\n')
    policies = Policies([ROOM], tmp_path)
    found = {
        each.user_id for each in (ADMIN, SERVICE, PERSON) if policies.allows("identity:create_trust", each, THEIRS)
    }
    assert found == let_in


def test_what_a_file_allows_still_takes_a_token_of_the_right_scope(tmp_path: Path) -> None:
    (tmp_path / "identity.yaml").write_text('"identity:create_trust": ""\n')
    policies = Policies([ROOM], tmp_path)
    assert policies.allows("identity:create_trust", PERSON, THEIRS)
    assert not policies.allows("identity:create_trust", Caller(user_id="u", system=True, roles=("admin",)), THEIRS)


@pytest.mark.parametrize("check", ["", "@"])
def test_an_old_file_does_not_open_trusts_to_everybody(tmp_path: Path, check: str) -> None:
    names = ("list_trusts", "get_trust", "delete_trust", "list_roles_for_trust", "get_role_for_trust")
    (tmp_path / "identity.yaml").write_text("".join(f'"identity:{name}": "{check}"\n' for name in names))
    policies = Policies([ROOM], tmp_path)
    theirs = {"target.trust.trustor_user_id": "somebody", "target.trust.trustee_user_id": "else"}
    for name in names:
        assert not policies.allows(f"identity:{name}", PERSON, theirs), name
        assert policies.allows(f"identity:{name}", ADMIN, theirs), name
    (tmp_path / "identity.yaml").write_text('"identity:get_trust": "role:reader"\n')
    assert Policies([ROOM], tmp_path).allows("identity:get_trust", PERSON, theirs)
