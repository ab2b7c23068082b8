"""What other rooms may ask of identity."""

import pytest

from stackyard.kernel.caller import ANONYMOUS
from stackyard.kernel.errors import NotFound, Unauthorized
from stackyard.rooms.identity import facade
from tests.rooms.identity.cloud import Admin, Cloud


def test_other_rooms_find_projects_users_and_callers(cloud: Cloud, do: Admin, demo: str) -> None:
    project, user = do.named("project", "demo"), do.named("user", "demo")
    with cloud.database.read() as tx:
        work = cloud.services.work(tx, ANONYMOUS)
        caller = facade.validate_token(work, demo)
        assert (caller.user_id, caller.project_id, caller.is_admin) == (user["id"], project["id"], False)
        assert set(caller.roles) == {"member", "reader"}
        assert facade.project(work, project["id"]) == facade.find_project_by_name(work, "demo")
        assert facade.project(work, project["id"]).name == "demo"
        assert {each.name for each in facade.projects(work)} == {"admin", "demo", "service"}
        assert facade.user(work, user["id"]).name == "demo"
        home = facade.find_project_by_name(work, "service")
        assert home is not None
        assert facade.service_identity(work, "container").project_id == home.id
        assert "service" in facade.service_identity(work, "container").roles
        assert facade.find_project_by_name(work, "nowhere") is None
        for unknown in (lambda: facade.project(work, "default"), lambda: facade.user(work, "none")):
            with pytest.raises(NotFound):
                unknown()
        with pytest.raises(Unauthorized):
            facade.validate_token(work, "nonsense")
