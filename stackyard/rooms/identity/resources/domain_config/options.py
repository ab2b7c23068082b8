"""The options that a domain may set for itself, what each takes, and what holds where it is not set.

Names, groups and defaults are Keystone's, so that what an operator has written for it can be carried over. Source:
Identity API v3, "Domain configuration"; Keystone's configuration reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.kernel.declare.kinds import Boolean, Either, Integer, Kind, ListOf, Nullable, Number, Text

_TEXT, _YES, _COUNT = Text(max=4096), Boolean(), Integer()
_WORDS = Either(ListOf(Text()), Text(max=4096), said="a list of words")


@dataclass(frozen=True)
class Option:
    """What an option takes and its default. A sensitive one is never shown."""

    kind: Kind
    default: Any = None
    sensitive: bool = False


def _of(kind: Kind, **defaults: Any) -> dict[str, Option]:
    return {name: Option(Nullable(kind), default) for name, default in defaults.items()}


_IDENTITY = _of(_TEXT, driver="sql") | _of(_COUNT, list_limit=None)
_LDAP = (
    _of(
        _TEXT, url="ldap://localhost", user=None, suffix="cn=example,cn=com", query_scope="one",
        alias_dereferencing="default", user_tree_dn=None, user_filter=None, user_objectclass="inetOrgPerson",
        user_id_attribute="cn", user_name_attribute="sn", user_description_attribute="description",
        user_mail_attribute="mail", user_pass_attribute="userPassword", user_enabled_attribute="enabled",
        user_enabled_default="True", user_default_project_id_attribute=None, user_enabled_emulation_dn=None,
        group_tree_dn=None, group_filter=None, group_objectclass="groupOfNames", group_id_attribute="cn",
        group_name_attribute="ou", group_member_attribute="member", group_desc_attribute="description",
        tls_cacertfile=None, tls_cacertdir=None, tls_req_cert="demand",
    )
    | _of(
        _YES, chase_referrals=None, user_enabled_invert=False, user_enabled_emulation=False,
        user_enabled_emulation_use_group_config=False, group_members_are_ids=False, group_ad_nesting=False,
        use_tls=False, use_pool=True, use_auth_pool=True,
    )
    | _of(
        _COUNT, page_size=0, debug_level=None, user_enabled_mask=0, pool_size=10, pool_retry_max=3,
        pool_connection_timeout=-1, pool_connection_lifetime=600, auth_pool_size=100,
        auth_pool_connection_lifetime=60, connection_timeout=-1,
    )
    | _of(Number(), pool_retry_delay=0.1)
    | _of(
        _WORDS, user_attribute_ignore=["default_project_id"], user_additional_attribute_mapping=[],
        group_attribute_ignore=[], group_additional_attribute_mapping=[],
    )
    | {"password": Option(Nullable(_TEXT), sensitive=True)}
)  # fmt: skip

OPTIONS: Mapping[str, Mapping[str, Option]] = {"identity": _IDENTITY, "ldap": _LDAP}

#: What everybody who has a token may know of the rules for passwords.
COMPLIANCE = ("password_regex", "password_regex_description")
