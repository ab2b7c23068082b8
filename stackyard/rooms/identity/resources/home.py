"""The API's home document (draft-nottingham-json-home): where each resource is, by the name of its relation.

Clients ask for it by `Accept: application/json-home` at `/v3`, or at `/` for all versions.
"""

import re
from collections.abc import Iterator
from typing import Any

MEDIA_TYPE = "application/json-home"
_BASE = "https://docs.openstack.org/api/openstack-identity/3"

#: Relation and path of each resource of the API itself ("") and of its extensions.
RELATIONS = {
    "": """
    auth_projects /auth/projects
    auth_domains /auth/domains
    auth_system /auth/system
    auth_catalog /auth/catalog
    auth_tokens /auth/tokens
    credentials /credentials
    credential /credentials/{credential_id}
    domains /domains
    domain /domains/{domain_id}
    domain_config /domains/{domain_id}/config
    domain_config_group /domains/{domain_id}/config/{group}
    domain_config_option /domains/{domain_id}/config/{group}/{option}
    domain_config_default /domains/config/default
    domain_config_default_group /domains/config/{group}/default
    domain_config_default_option /domains/config/{group}/{option}/default
    domain_user_roles /domains/{domain_id}/users/{user_id}/roles
    domain_user_role /domains/{domain_id}/users/{user_id}/roles/{role_id}
    domain_group_roles /domains/{domain_id}/groups/{group_id}/roles
    domain_group_role /domains/{domain_id}/groups/{group_id}/roles/{role_id}
    endpoints /endpoints
    endpoint /endpoints/{endpoint_id}
    groups /groups
    group /groups/{group_id}
    group_users /groups/{group_id}/users
    group_user /groups/{group_id}/users/{user_id}
    limits /limits
    limit /limits/{limit_id}
    limit_model /limits/model
    policies /policies
    policy /policies/{policy_id}
    projects /projects
    project /projects/{project_id}
    project_tags /projects/{project_id}/tags/{value}
    project_user_role /projects/{project_id}/users/{user_id}/roles/{role_id}
    project_user_roles /projects/{project_id}/users/{user_id}/roles
    project_group_role /projects/{project_id}/groups/{group_id}/roles/{role_id}
    project_group_roles /projects/{project_id}/groups/{group_id}/roles
    regions /regions
    region /regions/{region_id}
    registered_limits /registered_limits
    registered_limit /registered_limits/{registered_limit_id}
    role_assignments /role_assignments
    role_inferences /role_inferences
    roles /roles
    role /roles/{role_id}
    implied_roles /roles/{prior_role_id}/implies
    implied_role /roles/{prior_role_id}/implies/{implied_role_id}
    services /services
    service /services/{service_id}
    system_user_roles /system/users/{user_id}/roles
    system_user_role /system/users/{user_id}/roles/{role_id}
    system_group_roles /system/groups/{group_id}/roles
    system_group_role /system/groups/{group_id}/roles/{role_id}
    users /users
    user /users/{user_id}
    user_change_password /users/{user_id}/password
    user_groups /users/{user_id}/groups
    user_projects /users/{user_id}/projects
    application_credentials /users/{user_id}/application_credentials
    application_credential /users/{user_id}/application_credentials/{application_credential_id}
    access_rules /users/{user_id}/access_rules
    access_rule /users/{user_id}/access_rules/{access_rule_id}
    user_tokens /users/{user_id}/tokens
    """,
    "OS-FEDERATION": """
    projects /auth/projects
    domains /auth/domains
    saml2 /auth/OS-FEDERATION/saml2
    ecp /auth/OS-FEDERATION/saml2/ecp
    websso /auth/OS-FEDERATION/websso/{protocol_id}
    identity_providers_websso /auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso
    metadata /OS-FEDERATION/saml2/metadata
    identity_provider_protocol_auth /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth
    identity_providers /OS-FEDERATION/identity_providers
    identity_provider /OS-FEDERATION/identity_providers/{idp_id}
    identity_provider_protocol /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}
    identity_provider_protocols /OS-FEDERATION/identity_providers/{idp_id}/protocols
    mappings /OS-FEDERATION/mappings
    mapping /OS-FEDERATION/mappings/{mapping_id}
    service_providers /OS-FEDERATION/service_providers
    service_provider /OS-FEDERATION/service_providers/{service_provider_id}
    """,
    "OS-PKI": """
    revocations /auth/tokens/OS-PKI/revoked
    """,
    "OS-EC2": """
    ec2tokens /ec2tokens
    user_credentials /users/{user_id}/credentials/OS-EC2
    user_credential /users/{user_id}/credentials/OS-EC2/{credential_id}
    """,
    "OS-ENDPOINT-POLICY": """
    endpoint_policy /endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy
    policy_endpoints /policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints
    endpoint_policy_association /policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}
    service_policy_association /policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}
    region_and_service_policy_association /policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}
    """,  # noqa: E501  one relation a line
    "OS-EP-FILTER": """
    endpoint_groups /OS-EP-FILTER/endpoint_groups
    endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}
    endpoint_projects /OS-EP-FILTER/endpoints/{endpoint_id}/projects
    project_endpoint /OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}
    project_endpoints /OS-EP-FILTER/projects/{project_id}/endpoints
    project_endpoint_groups /OS-EP-FILTER/projects/{project_id}/endpoint_groups
    endpoints_in_endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints
    projects_associated_with_endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects
    endpoint_group_to_project_association /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}
    """,
    "OS-INHERIT": """
    domain_group_role_inherited_to_projects /OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects
    domain_group_roles_inherited_to_projects /OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects
    domain_user_role_inherited_to_projects /OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects
    domain_user_roles_inherited_to_projects /OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects
    project_user_role_inherited_to_projects /OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects
    project_group_role_inherited_to_projects /OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects
    """,  # noqa: E501  one relation a line
    "OS-OAUTH1": """
    consumers /OS-OAUTH1/consumers
    consumer /OS-OAUTH1/consumers/{consumer_id}
    request_tokens /OS-OAUTH1/request_token
    access_tokens /OS-OAUTH1/access_token
    authorize_request_token /OS-OAUTH1/authorize/{request_token_id}
    user_access_tokens /users/{user_id}/OS-OAUTH1/access_tokens
    user_access_token /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}
    user_access_token_roles /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles
    user_access_token_role /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}
    """,
    "OS-OAUTH2": """
    token /OS-OAUTH2/token
    """,
    "OS-REVOKE": """
    events /OS-REVOKE/events
    """,
    "OS-SIMPLE-CERT": """
    ca_certificate /OS-SIMPLE-CERT/ca
    certificates /OS-SIMPLE-CERT/certificates
    """,
    "s3tokens": """
    s3tokens /s3tokens
    """,
    "OS-TRUST": """
    trusts /OS-TRUST/trusts
    trust /OS-TRUST/trusts/{trust_id}
    trust_roles /OS-TRUST/trusts/{trust_id}/roles
    trust_role /OS-TRUST/trusts/{trust_id}/roles/{role_id}
    """,
}
#: Of what each placeholder is the id, where that is not its own name.
_PARAMETERS = {
    "group": "config_group",
    "option": "config_option",
    "value": "tag_value",
    "prior_role_id": "role_id",
    "implied_role_id": "role_id",
}
_OF_EXTENSIONS = {
    "OS-EP-FILTER": "endpoint_group_id",
    "OS-FEDERATION": "idp_id mapping_id protocol_id service_provider_id",
    "OS-OAUTH1": "access_token_id consumer_id request_token_id",
    "OS-TRUST": "trust_id",
}
_EXPERIMENTAL = re.compile(r"/(registered_)?limits\b")


def document(prefix: str) -> dict[str, Any]:
    """The home document; `prefix` stands before every path."""
    return {"resources": {name: _resource(prefix, path) for name, path in relations()}}


def relations() -> Iterator[tuple[str, str]]:
    """Each relation's whole name, and its path below /v3."""
    for extension, lines in RELATIONS.items():
        for line in lines.split("\n"):
            if line.strip():
                name, path = line.split()
                yield f"{_within(extension)}/rel/{name}", path


def _within(extension: str) -> str:
    return f"{_BASE}/ext/{extension}/1.0" if extension else _BASE


def _resource(prefix: str, path: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"href": prefix + path}
    if names := re.findall(r"{(\w+)}", path):
        shown = {"href-template": prefix + path, "href-vars": {name: _parameter(path, name) for name in names}}
    return {**shown, "hints": {"status": "experimental"}} if _EXPERIMENTAL.match(path) else shown


def _parameter(path: str, name: str) -> str:
    owner = next((each for each, names in _OF_EXTENSIONS.items() if name in names.split()), "")
    return f"{_within(owner)}/param/{_PARAMETERS.get(name, name)}"


def is_wanted(accept: str) -> bool:
    """Whether an Accept header prefers the home document to plain JSON."""
    weights = dict(_weighed(each) for each in accept.split(",") if each.strip())
    anything = max(weights.get("*/*", 0.0), weights.get("application/*", 0.0))
    return weights.get(MEDIA_TYPE, 0.0) > weights.get("application/json", anything)


def _weighed(entry: str) -> tuple[str, float]:
    media, *parameters = (part.strip().lower() for part in entry.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    return media, float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 0.0
