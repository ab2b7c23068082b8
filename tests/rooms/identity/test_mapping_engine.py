"""The mapping language and its engine: Keystone's documented combinations, and properties that hold for any rules."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.kernel.errors import BadRequest, Unauthorized
from stackyard.rooms.identity.resources.mapping.engine import Domain, Group, Mapped, Project, User, apply, split
from stackyard.rooms.identity.resources.mapping.language import read

NAME = {"type": "UserName"}
JANE = {"UserName": "jane", "Email": "jane@acme.test", "Groups": "dev;ops;dev-leads", "First": "Jane", "Last": "Doe"}


def mapped(rules: Any, assertion: dict[str, str] | None = None, version: str = "1.0") -> Mapped:
    return apply(read(rules, version), split(JANE if assertion is None else assertion))


def rule(local: Any, *remote: Any) -> dict[str, Any]:
    return {"local": local if isinstance(local, list) else [local], "remote": list(remote or [NAME])}


def test_placeholders_stand_for_the_values_of_conditions_in_order() -> None:
    local = {"user": {"name": "{0} {1}", "id": "{2}", "email": "{}@{{x}}", "domain": {"name": "acme"}}}
    found = mapped([rule(local, {"type": "First"}, {"type": "Last"}, NAME)])
    assert found.user == User(id="jane", name="Jane Doe", email="Jane@{x}", domain=Domain(name="acme"))


def test_conditions_that_demand_give_no_value() -> None:
    demands = {"type": "Groups", "any_one_of": ["ops"]}
    assert mapped([rule({"user": {"name": "{0}"}}, demands, NAME)]).user.name == "jane"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"any_one_of": ["ops", "hr"]}, True),
        ({"any_one_of": ["hr"]}, False),
        ({"any_one_of": ["^dev-.*$"], "regex": True}, True),
        ({"any_one_of": ["^hr"], "regex": True}, False),
        ({"any_one_of": ["^dev-.*$"]}, False),
        ({"not_any_of": ["hr"]}, True),
        ({"not_any_of": ["ops"]}, False),
        ({"not_any_of": ["leads$"], "regex": True}, False),
        ({"not_any_of": ["^leads"], "regex": True}, True),
        ({}, True),
    ],
)
def test_a_demand_holds_or_not(condition: dict[str, Any], holds: bool) -> None:
    rules = [rule({"user": {"name": "x"}}, {"type": "Groups", **condition})]
    if holds:
        assert mapped(rules).user.name == "x"
    else:
        with pytest.raises(Unauthorized, match=r"rule 0 .*Groups"):
            mapped(rules)


@pytest.mark.parametrize(
    ("condition", "through"),
    [
        ({}, ["dev", "ops", "dev-leads"]),
        ({"whitelist": ["ops", "hr"]}, ["ops"]),
        ({"blacklist": ["ops", "hr"]}, ["dev", "dev-leads"]),
        ({"whitelist": ["^dev"], "regex": True}, ["dev", "dev-leads"]),
        ({"blacklist": ["^dev"], "regex": True}, ["ops"]),
        ({"whitelist": []}, []),
    ],
)
def test_a_filter_lets_values_through(condition: dict[str, Any], through: list[str]) -> None:
    local = [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "default"}}]
    found = mapped([rule(local, NAME, {"type": "Groups", **condition})])
    assert found.groups == tuple(Group(each, Domain("default")) for each in through)


def test_a_missing_attribute_is_named_for_each_rule() -> None:
    with pytest.raises(Unauthorized, match="rule 0 needs the attribute Nickname; rule 1 needs the attribute Age"):
        mapped([rule({}, {"type": "Nickname"}), rule({}, {"type": "Age"})])


def test_rules_that_hold_add_up_the_first_user_and_the_last_projects_count() -> None:
    first = rule([{"user": {"name": "{0}"}, "group": {"id": "one"}}, {"projects": [{"name": "a", "roles": []}]}])
    other = {"user": {"name": "other"}, "group_ids": "{0}", "projects": [{"name": "b", "roles": [{"name": "reader"}]}]}
    named = {"group": {"name": "staff", "domain": {"name": "acme"}}, "groups": "staff", "domain": {"name": "acme"}}
    found = mapped([first, rule({}, {"type": "Missing"}), rule([other, named], {"type": "Groups"})])
    assert found.user.name == "jane"
    assert found.group_ids == ("one", "dev", "ops", "dev-leads")
    assert found.groups == (Group("staff", Domain(name="acme")),)
    assert found.projects == (Project("b", ("reader",)),)


def test_groups_may_be_lists_in_a_text_or_objects_with_their_domain() -> None:
    written = [{"groups": "['a', 'b']", "group_ids": '["1"]', "domain": {"id": "d"}}]
    found = mapped([rule(written)])
    assert [each.name for each in found.groups] == ["a", "b"]
    assert found.group_ids == ("1",)
    each = ["JSON:" + json.dumps({"name": name, "domain": {"name": "acme"}}) for name in ("x", "y")]
    found = mapped([rule({"groups": "{0}"}, {"type": "G"})], {"G": ";".join(each)})
    assert found.groups == (Group("x", Domain(name="acme")), Group("y", Domain(name="acme")))
    assert mapped([rule({"groups": "hostnames", "domain": {"id": "d"}})]).groups == (Group("hostnames", Domain("d")),)


def test_version_2_gives_everybody_the_domain_of_the_rule() -> None:
    local = {
        "user": {"name": "{0}"}, "domain": {"name": "acme"},
        "projects": [{"name": "p", "roles": [{"name": "member"}]},
                     {"name": "q", "roles": [], "domain": {"id": "default"}}],
    }  # fmt: skip
    found = mapped([rule(local)], version="2.0")
    assert found.user.domain == Domain(name="acme")
    assert [each.domain for each in found.projects] == [Domain(name="acme"), Domain("default")]
    del local["projects"][1]["domain"]  # type: ignore[attr-defined]
    found = mapped([rule(local)])
    assert (found.user.domain, found.projects[0].domain, found.follows) == (None, None, False)


def test_the_domain_of_what_comes_last_is_that_of_a_user_who_has_none() -> None:
    groups, user = {"groups": "a", "domain": {"id": "d"}}, {"user": {"name": "{0}"}}
    assert mapped([rule([user, groups])], version="2.0").user.domain == Domain("d")
    assert mapped([rule([groups, user])], version="2.0").user.domain is None
    assert mapped([rule([user, groups]), rule({"group_ids": "b"})], version="2.0").user.domain is None


def test_what_is_filtered_is_there_once() -> None:
    for test, words in (("whitelist", ["dev"]), ("blacklist", ["ops"])):
        remote = {"type": "Groups", test: words}
        assert mapped([rule({"user": {"name": "{0}"}}, remote)], {"Groups": "dev;dev;ops"}).user.name == "dev"


def test_projects_json_may_leave_out_the_braces_and_names_a_value_that_is_there() -> None:
    given = {"Projects": '[{"name": "p", "roles": []}]'}
    for text in ("0", "{0}"):
        found = mapped([rule({"projects_json": text}, {"type": "Projects"})], given, version="3.0")
        assert found.projects == (Project("p", ()),)
    for text in ("1", "{1}", "{}", "x", "{0}{0}"):
        with pytest.raises(BadRequest) as refused:
            read([rule({"projects_json": text})], "3.0")
        assert refused.value.field == "rules.0.local.0.projects_json", text


def test_version_3_reads_projects_from_the_assertion_and_follows_the_provider() -> None:
    projects = [{"name": "p", "roles": [{"name": "member"}, {"name": "member"}]}]
    found = mapped(
        [rule({"projects_json": "{0}"}, {"type": "Projects"})], {"Projects": json.dumps(projects)}, version="3.0"
    )
    assert found.projects == (Project("p", ("member",)),)
    assert found.follows
    for text in ("nonsense", '[{"name": "p"}]'):
        with pytest.raises(BadRequest, match="Rule 0"):
            mapped([rule({"projects_json": "{0}"}, {"type": "Projects"})], {"Projects": text}, version="3.0")


def test_a_user_may_be_one_of_this_cloud() -> None:
    found = mapped([rule({"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}})])
    assert found.user == User(name="jane", domain=Domain("default"), local=True)


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ([], "rules"),
        ("x", "rules"),
        ([{"local": []}], "rules.0.remote"),
        ([rule({}), {"local": [], "remote": []}], "rules.1.remote"),
        ([rule({"person": {}})], "rules.0.local.0.person"),
        ([rule({"user": {"type": "alien"}})], "rules.0.local.0.user.type"),
        ([rule({"user": {"name": "{1}"}})], "rules.0.local.0.user.name"),
        ([rule({"user": {"name": "{0"}})], "rules.0.local.0.user.name"),
        ([rule({"user": {"name": "{0.__class__}"}})], "rules.0.local.0.user.name"),
        ([rule({"group": {"name": "x"}})], "rules.0.local.0.group"),
        ([rule({"projects": [{"name": "p"}]})], "rules.0.local.0.projects.0.roles"),
        ([rule({"projects_json": "{0}"})], "rules.0.local.0.projects_json"),
        ([rule({}, {"type": "A", "any_one_of": ["["], "regex": True})], "rules.0.remote.0.any_one_of.0"),
        ([rule({}, {"type": "A", "any_one_of": [], "whitelist": []})], "rules.0.remote.0"),
        ([rule({}, {"any_one_of": []})], "rules.0.remote.0.type"),
    ],
)
def test_a_malformed_mapping_names_the_place(rules: Any, where: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(rules)
    assert refused.value.field == where


def test_an_assertion_that_a_rule_cannot_use_names_the_rule() -> None:
    with pytest.raises(BadRequest, match=r"Rule 1 .*'\{0\}' needs one value .* 3 values"):
        mapped([rule({}), rule({"user": {"name": "{0}"}}, {"type": "Groups"})])
    with pytest.raises(BadRequest, match=r"Rule 0 .*domain"):
        mapped([rule({"groups": "{0}"}, {"type": "Groups"})])


# -- Keystone's own answers --


def as_keystone_says(found: Mapped) -> Any:
    def domain(of: Domain | None) -> Any:
        return None if of is None else [of.id, of.name]

    user = found.user
    return {
        "user": [user.name, user.id, user.email, domain(user.domain), "local" if user.local else "ephemeral"],
        "group_ids": sorted(found.group_ids),
        "groups": sorted(json.dumps([each.name, domain(each.domain)]) for each in found.groups),
        "projects": [[each.name, list(each.roles), domain(each.domain)] for each in found.projects],
    }


def test_rules_that_were_drawn_by_lot_mean_what_they_mean_to_keystone() -> None:
    """Each line is a mapping, an assertion, and what the rule processors of Keystone 30.0.0 made of them; null where
    they refused. What is left out: where Keystone writes a list of several values into a text."""
    for line in Path(__file__).with_name("keystone_mappings.jsonl").read_text().splitlines():
        case = json.loads(line)
        try:
            found = as_keystone_says(mapped(case["rules"], case["assertion"], case["version"]))
        except (BadRequest, Unauthorized):
            found = None
        assert found == case["expected"], line


# -- properties --

_WORDS = st.sampled_from(["", "a", "b", "ab", "{0}", "JSON:", "JSON:{}", "[", "['a']", ".*"])
_PLAIN = st.sampled_from(["", "a", "b", "ab", ".*", "^a$"])
_ASSERTIONS = st.dictionaries(st.sampled_from("ABC"), st.lists(_WORDS, max_size=3))
_VALUES = st.lists(_WORDS, max_size=3)
_CONDITIONS = st.builds(
    lambda kind, test, values, regex: {"type": kind, **({test: values, "regex": regex} if test else {})},
    st.sampled_from("ABC"), st.sampled_from(["", "any_one_of", "not_any_of", "whitelist", "blacklist"]), _VALUES,
    st.booleans(),
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["local", "remote", "type", "user", "name", "groups", "domain"]), inner)
    ),
    max_leaves=12,
)
_LOCALS = st.fixed_dictionaries(
    {}, optional={"user": st.fixed_dictionaries({"name": _WORDS}), "groups": _WORDS, "group_ids": _WORDS,
                  "domain": st.just({"id": "d"}), "projects": st.just([{"name": "{0}", "roles": [{"name": "r"}]}])},
)  # fmt: skip
_RULES = st.lists(
    st.fixed_dictionaries(
        {"local": st.lists(_LOCALS, max_size=2), "remote": st.lists(_CONDITIONS, min_size=1, max_size=3)}
    ),
    min_size=1,
    max_size=3,
)


@given(_JSON, _ASSERTIONS)
def test_any_json_is_either_rules_or_refused(rules: Any, assertion: dict[str, list[str]]) -> None:
    with suppress(BadRequest, Unauthorized):
        apply(read(rules, "3.0"), assertion)


@given(_RULES, _ASSERTIONS, st.sampled_from(["1.0", "2.0", "3.0"]))
def test_the_outcome_holds_no_more_than_rules_and_assertion_say(
    rules: Any, assertion: dict[str, list[str]], version: str
) -> None:
    try:
        found = apply(read(rules, version), assertion)
    except (BadRequest, Unauthorized):
        return
    assert found == apply(read(rules, version), assertion)
    values = [each for many in assertion.values() for each in many]
    # The one text with a placeholder among others, filled.
    said = json.dumps([rules, values, [f"JSON:{each}" for each in values]])
    for each in (*(group.name for group in found.groups), *found.group_ids, found.user.name or ""):
        assert each in said
    assert len(set(found.groups)) == len(found.groups)
    if len(rules) == 1:
        doubled = apply(read(rules * 2, version), assertion)
        assert doubled == found


@given(st.lists(_PLAIN, min_size=1, max_size=4), st.lists(_PLAIN, max_size=3), st.booleans())
def test_a_whitelist_and_a_blacklist_of_the_same_words_share_out_the_values(
    asserted: list[str], words: list[str], regex: bool
) -> None:
    def through(test: str) -> list[str]:
        remote = {"type": "A", test: words, "regex": regex}
        return list(apply(read([rule({"group_ids": "{0}"}, remote)]), {"A": asserted}).group_ids)

    let, held = through("whitelist"), through("blacklist")
    assert sorted([*let, *held]) == sorted(set(asserted))


@given(st.lists(_PLAIN, max_size=3), st.lists(_PLAIN, min_size=1, max_size=3), st.booleans())
def test_of_a_demand_and_its_opposite_one_holds(words: list[str], asserted: list[str], regex: bool) -> None:
    def holds(test: str) -> bool:
        try:
            apply(read([rule({}, {"type": "A", test: words, "regex": regex})]), {"A": asserted})
        except Unauthorized:
            return False
        return True

    assert holds("any_one_of") != holds("not_any_of")
