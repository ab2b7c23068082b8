"""Who may call what: every route × every persona, as text that people can review. The golden file is `matrix.txt`.

    .venv/bin/python -m tests.generic.matrix --write      after a change that is meant; review its diff

A rule of policy is asked about an object of the project `home` that is really there; a route that judges by itself
("-") is called for real with an empty body. A persona that is not named in a line is refused there: 401 without a
token, 403 with one, 404 for an object that it may not know of. Routes that answer 501 are left out.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.caller import ANONYMOUS, Caller
from stackyard.kernel.declare.resource import NO_DEFAULT, Field, Resource
from stackyard.kernel.errors import ApiError, Unauthorized
from stackyard.kernel.request.chain import Chain, Exchange
from stackyard.kernel.request.endpoints import Call, Endpoint, endpoints, policy_target
from stackyard.kernel.request.exchange import Request
from stackyard.kernel.request.query import visible_row
from stackyard.kernel.storage import rows
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Work
from tests.generic import golden
from tests.kernel.stage import Stage

GOLDEN = Path(__file__).with_name("matrix.txt")
HOME, OTHER = "0" * 31 + "1", "0" * 31 + "2"
SOMETHING = "00000000-0000-4000-8000-00000000000a"
IMPLIED = {
    "reader": ("reader",),
    "member": ("member", "reader"),
    "manager": ("manager", "member", "reader"),
    "admin": ("admin", "manager", "member", "reader"),
    "service": ("service",),
}


def _scoped(role: str, **scope: Any) -> Caller:
    domain = {"id": "default"}
    token: dict[str, Any] = {"user": {"id": f"a-{role}", "domain": domain}}
    if "project_id" in scope:
        token["project"] = {"id": scope["project_id"], "domain": domain}
    elif "domain_id" in scope:
        token["domain"] = {"id": scope["domain_id"]}
    who = Caller(user_id=f"a-{role}", user_domain_id="default", roles=IMPLIED[role], token=token, **scope)
    return replace(who, project_domain_id="default") if who.project_id else who


PERSONAS: Mapping[str, Caller] = {
    "none": ANONYMOUS,
    "stranger": Caller(user_id="a-stranger", user_domain_id="default", token={"user": {"id": "a-stranger"}}),
    **{role: _scoped(role, project_id=HOME) for role in IMPLIED},
    **{f"other-{role}": _scoped(role, project_id=OTHER) for role in IMPLIED},
    **{f"domain-{role}": _scoped(role, domain_id="default") for role in IMPLIED},
    **{f"system-{role}": _scoped(role, system=True) for role in IMPLIED},
}


def persona_of(tx: Transaction, token: str) -> Caller:
    """In this cloud a token is a persona's name."""
    if token not in PERSONAS:
        raise Unauthorized("That token is not valid.")
    return PERSONAS[token]


class Judge:
    """Asks a staged cloud."""

    def __init__(self, staged: Stage) -> None:
        self.cloud = staged.cloud
        self.chain: Chain = staged.cloud.front.chain
        self.chain.validate_token = persona_of
        for room in self.cloud.rooms:
            for resource in room.resources:
                self._put_down(resource)

    def _put_down(self, resource: Resource) -> None:
        """One of each resource, unless its table wants more than a declaration tells."""
        with suppress(ApiError, sa.exc.SQLAlchemyError), self.cloud.database.write() as tx:
            work = self.cloud.services.work(tx, PERSONAS["admin"], "req-matrix")
            rows.insert(work, resource, typical(resource))

    def lines(self) -> Iterator[str]:
        """The matrix."""
        for room in self.cloud.rooms:
            for endpoint in sorted(endpoints(room), key=lambda each: (each.path, each.method, str(each.since))):
                if line := self._line(endpoint):
                    yield line

    def _line(self, endpoint: Endpoint) -> str | None:
        usual = self.status(endpoint, "admin") if endpoint.allow is None else 200
        if usual == 501:
            return None
        allowed = [name for name in PERSONAS if self.passes(endpoint, name, usual)]
        refused = [name for name in PERSONAS if name not in allowed]
        who = " ".join(allowed) or "nobody"
        if not refused:
            who = "everyone"
        elif refused == ["none"]:
            who = "anyone with a token"
        since = f" (since {endpoint.since})" if endpoint.since else ""
        rule = endpoint.allow.name if endpoint.allow else "-"
        return f"{endpoint.method:6} {endpoint.path}{since} [{rule}] {who}"

    def passes(self, endpoint: Endpoint, name: str, usual: int) -> bool:
        """Whether the persona gets past authentication and policy. `usual`: what an administrator is answered."""
        if endpoint.token != "required":
            return True
        if name == "none" or endpoint.allow is None:
            status = self.status(endpoint, name)
            return status not in (401, 403) and (status != 404 or usual == 404)
        with self.cloud.database.read() as tx:
            exchange = self._exchange(endpoint, name)
            exchange.caller = PERSONAS[name]
            work = self.chain.work(exchange, tx)
            target = self._target(work, endpoint, exchange.request)
            return target is not None and work.allows(endpoint.allow.name, target)

    def status(self, endpoint: Endpoint, name: str) -> int:
        """What a real request of the persona is answered with."""
        exchange = self._exchange(endpoint, name)
        try:
            with self.cloud.database.read() as tx:
                self.chain.route(exchange)
                self.chain.admit(exchange, tx)
            self.chain.receive(exchange, b"" if endpoint.method in ("GET", "HEAD", "DELETE") else b"{}")
            return self.chain.run(exchange).status
        except ApiError as error:
            return error.status

    def _exchange(self, endpoint: Endpoint, name: str) -> Exchange:
        words = [SOMETHING if each.startswith("{") else each for each in endpoint.path.split("/")]
        names = [each[1:-1] for each in endpoint.path.split("/") if each.startswith("{")]
        headers = {"content-type": "application/json"} | ({} if name == "none" else {"x-auth-token": name})
        if endpoint.since and endpoint.room.versions:
            headers["openstack-api-version"] = f"{endpoint.room.versions.service_type} {endpoint.since}"
        request = Request(method=endpoint.method, path="/".join(words), base_url="http://matrix", headers=headers)
        request.params = dict.fromkeys(names, SOMETHING)
        return Exchange(request=request)

    def _target(self, work: Work, endpoint: Endpoint, request: Request) -> Mapping[str, Any] | None:
        """What policy is asked about; None when the persona may not know of it."""
        resource = endpoint.resource
        call = Call(request=request, given={resource.name: {"domain_id": "default"}} if resource else {})
        if endpoint.find is not None and resource is not None:
            call.record = typical(resource)
            if work.tx.get(resource.table, **{resource.id_field: call.record[resource.id_field]}):
                call.record = visible_row(work, resource, call.record[resource.id_field])
                if call.record is None:
                    return None
        return policy_target(work, endpoint, call)


def typical(resource: Resource) -> Record:
    """An object of the home project with nothing special about it."""
    known = {"project_id": HOME, "owner": HOME, "domain_id": "default", resource.id_field: SOMETHING}
    stored = [each for each in resource.all_fields.values() if each.stored]
    return Record({each.name: known.get(each.name, _value(each)) for each in stored})


def _value(each: Field) -> Any:
    if each.default is not NO_DEFAULT:
        return each.default() if callable(each.default) else each.default
    if each.name.endswith("_id") or each.null:
        return SOMETHING if each.name.endswith("_id") else None
    value = _OF_STORAGE[each.kind.storage]
    return value[: each.kind.length] if isinstance(value, str) else value


_OF_STORAGE = {
    "text": "something", "bigint": 1, "float": 1.0, "boolean": False, "json": [],
    "instant": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip


def current(folder: Path) -> str:
    """The matrix of this code."""
    return golden.text(folder, lambda staged: Judge(staged).lines())


if __name__ == "__main__":
    golden.command(__doc__, GOLDEN, current)
