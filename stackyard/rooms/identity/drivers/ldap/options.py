"""What a domain's configuration says about its LDAP directory: Keystone's options of the group [ldap], read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackyard.rooms.identity.driver import Misconfigured

#: Seconds; Keystone's -1 (wait for ever) would let one directory hold up everybody.
_PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Where one kind of entry is, which entries are of it, and what their attributes mean."""

    base: str
    object_class: str
    filter: str
    id: str
    name: str
    description: str
    #: Attribute in the directory → attribute of the API.
    additional: Mapping[str, str] = field(default_factory=dict)
    #: Attributes of the API that are not taken from the directory.
    ignored: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Enabled:
    """How the directory says that a user can log in."""

    attribute: str
    default: str
    mask: int
    invert: bool
    #: The group whose members are enabled, where that is how it is said, and the attribute that holds them.
    group: str | None
    group_member: str


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How the server is believed to be the right one."""

    start: bool
    required: str
    ca_file: str | None
    ca_folder: str | None


@dataclass(frozen=True, kw_only=True)
class LdapOptions:
    """All of it. `patience` and `lifetime`: seconds."""

    urls: Sequence[str]
    user: str | None
    password: str | None = field(repr=False)
    subtree: bool
    page_size: int
    patience: float
    pool_size: int
    lifetime: float
    people: Tree
    teams: Tree
    email: str
    default_project: str | None
    enabled: Enabled
    member: str
    members_are_ids: bool
    nested: bool
    tls: Tls


def read(given: Mapping[str, Any]) -> LdapOptions:
    """The options as they are used. Raises Misconfigured."""
    urls = [each.strip() for each in str(given["url"]).split(",") if each.strip()]
    if not urls or any(not each.startswith(("ldap://", "ldaps://")) for each in urls):
        raise Misconfigured("url: write it like ldap://host:389 or ldaps://host, several with commas between them")
    if given["query_scope"] not in ("one", "sub"):
        raise Misconfigured("query_scope: one or sub")
    if given["tls_req_cert"] not in ("demand", "allow", "never"):
        raise Misconfigured("tls_req_cert: demand, allow or never")
    patience = float(given["connection_timeout"])
    return LdapOptions(
        urls=urls, user=given["user"] or None, password=given["password"] or None,
        subtree=given["query_scope"] == "sub", page_size=given["page_size"],
        patience=patience if patience > 0 else _PATIENCE,
        pool_size=max(1, given["pool_size"]) if given["use_pool"] else 0,
        lifetime=float(given["pool_connection_lifetime"]),
        people=_tree(given, "user", "Users"), teams=_tree(given, "group", "UserGroups"),
        email=given["user_mail_attribute"], default_project=given["user_default_project_id_attribute"],
        enabled=_enabled(given), member=given["group_member_attribute"],
        members_are_ids=given["group_members_are_ids"], nested=given["group_ad_nesting"],
        tls=Tls(start=given["use_tls"], required=given["tls_req_cert"], ca_file=given["tls_cacertfile"],
                ca_folder=given["tls_cacertdir"]),
    )  # fmt: skip


def _tree(given: Mapping[str, Any], kind: str, place: str) -> Tree:
    about = "description" if kind == "user" else "desc"
    wanted = str(given[f"{kind}_filter"] or "")
    if wanted and not (wanted.startswith("(") and wanted.endswith(")")):
        raise Misconfigured(f"{kind}_filter: a filter is written in parentheses, like (memberOf=cn=cloud,dc=example)")
    return Tree(
        base=given[f"{kind}_tree_dn"] or f"ou={place},{given['suffix']}", filter=wanted,
        object_class=given[f"{kind}_objectclass"], id=given[f"{kind}_id_attribute"],
        name=given[f"{kind}_name_attribute"], description=given[f"{kind}_{about}_attribute"],
        additional=_mapping(given[f"{kind}_additional_attribute_mapping"], kind),
        ignored=_words(given[f"{kind}_attribute_ignore"]),
    )  # fmt: skip


def _enabled(given: Mapping[str, Any]) -> Enabled:
    emulated = given["user_enabled_emulation"]
    group = given["user_enabled_emulation_dn"] or f"cn=enabled_users,{given['user_tree_dn'] or given['suffix']}"
    by_group = given["user_enabled_emulation_use_group_config"]
    return Enabled(
        attribute=given["user_enabled_attribute"], default=str(given["user_enabled_default"]),
        mask=given["user_enabled_mask"], invert=given["user_enabled_invert"], group=group if emulated else None,
        group_member=given["group_member_attribute"] if by_group else "member",
    )  # fmt: skip


def _words(given: Any) -> list[str]:
    words = given.split(",") if isinstance(given, str) else given or []
    return [each.strip() for each in words if each.strip()]


def _mapping(given: Any, kind: str) -> dict[str, str]:
    pairs = [each.partition(":") for each in _words(given)]
    if any(not here or not there for here, _, there in pairs):
        raise Misconfigured(f"{kind}_additional_attribute_mapping: write it like ldap_attribute:attribute")
    return {here: there for here, _, there in pairs}
