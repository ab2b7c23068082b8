"""What belongs to a project cannot be made with a token that has none: the caller is told so, whatever the service."""

from collections.abc import Iterator

import pytest

from stackyard.assemble import rooms
from stackyard.kernel.request.endpoints import Endpoint, endpoints
from tests.generic.matrix import persona_of
from tests.kernel.stage import Stage, stage

#: What each needs to be made, beside an owner.
GIVEN = {
    "container": {"image": "web"}, "network": {}, "router": {}, "security_group": {"name": "g"},
    "subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}, "image": {"repo": "db"},
}  # fmt: skip


def _makes_for_a_project(endpoint: Endpoint) -> bool:
    owner = endpoint.resource and endpoint.resource.all_fields.get("project_id")
    return bool(owner and owner.stored and not owner.null and endpoint.verb == "create")


CREATES = [each for room in rooms() for each in endpoints(room) if _makes_for_a_project(each)]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("owners")) as made:
        made.cloud.front.chain.validate_token = persona_of
        yield made


@pytest.mark.parametrize("persona", ["domain-member", "system-member", "domain-admin", "system-admin"])
@pytest.mark.parametrize("endpoint", CREATES, ids=lambda each: each.path)
def test_a_token_of_no_project_makes_nothing_that_has_an_owner(
    staged: Stage, endpoint: Endpoint, persona: str
) -> None:
    resource = endpoint.resource
    assert resource is not None
    given = GIVEN.get(resource.name, {})
    body = {resource.name: given} if endpoint.room.dialect.envelope_one else given
    answer = staged.request("POST", endpoint.path, body, **{"X-Auth-Token": persona})
    assert answer.status_code in (400, 403), answer.text
    if resource.name in GIVEN:
        assert "scoped to no project" in answer.text or answer.status_code == 403, answer.text
