"""The audit trail: who did what to what, from where, and what came of it, as CADF events in OpenStack's notifications.

Audited is every request that may change something, whatever became of it, every log-in, and every request whose token
or whose right was not good enough: `is_audited` is the one place that says so. Events hold ids, names and addresses,
never a body. They are made and delivered by a thread of their own; no request waits for the trail or fails with it, and
what it had to drop is counted.
"""

import logging
import platform
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import msgspec

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.audited import Asked, Told, made
from stackyard.kernel.observe.sinks import Count, Sink

if TYPE_CHECKING:
    from stackyard.kernel.request.chain import Exchange
    from stackyard.kernel.request.endpoints import Endpoint
    from stackyard.kernel.request.exchange import Reply

log = logging.getLogger("stackyard.audit")

#: Requests that wait to be told of; more are lost.
MOST_WAITING = 10_000
#: Seconds in which requests are gathered, to be told of together.
_GATHER = 0.05
_READS = ("GET", "HEAD", "OPTIONS")
_ACTIONS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
#: What was only accepted is done, or not, by an operation: its object's story tells which.
_OUTCOMES = {202: "pending"}
#: Words of CADF (DMTF DSP0262): what an event is, a service that guards others, an account, and who is not known.
_EVENT, _SECURITY = "http://schemas.dmtf.org/cloud/audit/1.0/event", "service/security"
_ACCOUNT, _UNKNOWN = "service/security/account/user", "unknown"
_VERBS = {"create": "create", "update": "update", "delete": "delete", "list": "read/list", "show": "read"}


class _Answered(msgspec.Struct, frozen=True):
    """What is known of a request once it is answered."""

    at: datetime
    endpoint: "Endpoint"
    caller: Caller
    request_id: str
    address: str
    agent: str
    status: int
    asked: Asked
    #: The answer, where the room has encoded it itself; it is read only here, where nobody waits.
    encoded: bytes | None = None


def is_audited(exchange: "Exchange", status: int) -> bool:
    """Whether the trail tells of this request."""
    endpoint = exchange.endpoint
    if endpoint is None:
        return False
    # A read that makes something, or is refused though it needs no token, is a log-in: federation's are.
    logs_in = status == 201 or (status == 401 and endpoint.token != "required")
    has_a_bad_token = status == 401 and "x-auth-token" in exchange.request.headers
    return endpoint.method not in _READS or logs_in or has_a_bad_token or status == 403


class Trail:
    """Tells its sinks of requests. `server`: which server of the cloud observes."""

    def __init__(self, sinks: Sequence[Sink], server: str, count: Count) -> None:
        self._sinks = sinks
        self._server = server
        self._count = count
        self._waiting: deque[_Answered] = deque()
        self._is_due = False
        self._due, self._closing = Event(), Event()
        self._thread = Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def tell(self, exchange: "Exchange", reply: "Reply") -> None:
        """A request has its answer. Quick; what cannot be taken any more is counted as lost."""
        endpoint, request, call = exchange.endpoint, exchange.request, exchange.call
        if endpoint is None or not is_audited(exchange, reply.status):
            return
        asked = Asked(
            method=endpoint.method, path=endpoint.path.removeprefix(endpoint.room.path), params=request.params,
            resource=endpoint.resource.name if endpoint.resource else None, verb=endpoint.verb,
            given=call.given if call else None, answer=reply.body, noted=reply.noted,
        )  # fmt: skip
        encoded = reply.data if reply.body is None and "json" in reply.content_type else None
        if len(self._waiting) >= MOST_WAITING:
            self._count("lost", len(self._sinks))
            return
        self._waiting.append(_Answered(
            datetime.now(UTC), endpoint, exchange.caller, exchange.request_id, request.remote_address,
            request.headers.get("user-agent", ""), reply.status, asked, encoded,
        ))  # fmt: skip
        if not self._is_due:
            self._is_due = True
            self._due.set()

    def reopen(self) -> None:
        """Go on in the files of their names, when another program has put the old ones aside."""
        for each in self._sinks:
            each.reopen()

    def close(self, patience: float = 3.0) -> None:
        """Deliver what is left, for a few seconds at most."""
        self._closing.set()
        self._due.set()
        self._thread.join(patience)
        for each in self._sinks:
            each.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._due.wait()
            # Together with what comes meanwhile: to be woken for each would cost the requests more than the events do.
            self._closing.wait(_GATHER)
            self._due.clear()
            # First this, then what waits: who comes in between makes it due again.
            self._is_due = False
            self._deliver()
        self._deliver()

    def _deliver(self) -> None:
        answered = [self._waiting.popleft() for _ in range(len(self._waiting))]
        notifications = [told for each in answered if (told := self._notification(each))]
        for sink in self._sinks if notifications else ():
            sink.put(notifications)

    def _notification(self, answered: _Answered) -> bytes | None:
        try:
            if answered.encoded is not None:
                asked = msgspec.structs.replace(answered.asked, answer=msgspec.json.decode(answered.encoded))
                answered = msgspec.structs.replace(answered, asked=asked)
            return msgspec.json.encode(notify(answered, self._server), enc_hook=str)
        except Exception:
            log.exception("a request cannot be told of")
            self._count("lost", len(self._sinks))
            return None


def notify(answered: _Answered, server: str) -> dict[str, Any]:
    """The notification, in the envelope that OpenStack's services send."""
    told = _told(answered)
    return {
        "message_id": str(uuid.uuid4()), "publisher_id": f"{_service(answered.endpoint)}.{platform.node()}",
        "event_type": told.event_type, "priority": "INFO", "timestamp": answered.at.isoformat(),
        "payload": _event(answered, told, server),
    }  # fmt: skip


def _service(endpoint: "Endpoint") -> str:
    """The type under which the service is in the catalog."""
    services = endpoint.room.services
    return services[0][0] if services else endpoint.room.name


def _told(answered: _Answered) -> Told:
    """What the room says of it, else what its route says."""
    tell = answered.endpoint.room.audited
    return (tell(answered.asked) if tell is not None else None) or _by_route(answered)


def _by_route(answered: _Answered) -> Told:
    asked = answered.asked
    if asked.verb is not None:
        action = _VERBS.get(asked.verb, "unknown")
    elif asked.resource is not None:
        suffix = asked.path.rpartition("/")[2]
        action = f"{'read' if asked.method in _READS else 'update'}/{suffix}"
    else:
        action = _ACTIONS.get(asked.method, "read")
    kind = f"/{asked.resource}" if asked.resource else ""
    return Told(
        event_type="audit.http.response", action=action, target_type=f"service/{_service(answered.endpoint)}{kind}",
        target_id=_target(asked),
    )  # fmt: skip


def _target(asked: Asked) -> str | None:
    """The id of the object: the path's, or that of the one that was made, or of whatever the path names last."""
    named = list(asked.params.values())
    return asked.params.get("id") or made(asked.answer) or (named[-1] if named else None)


def _event(answered: _Answered, told: Told, server: str) -> dict[str, Any]:
    caller, endpoint = answered.caller, answered.endpoint
    who = {"id": caller.user_id, "name": caller.user_name, "domain_id": caller.user_domain_id}
    who |= {key: value for key, value in told.initiator.items() if value is not None}
    security = endpoint.room.name == "identity"
    return {
        "typeURI": _EVENT,
        "eventType": "activity",
        "id": str(uuid.uuid4()),
        "eventTime": answered.at.isoformat(),
        "action": told.action,
        "outcome": _OUTCOMES.get(answered.status, "success" if answered.status < 400 else "failure"),
        "observer": {"id": server, "typeURI": _SECURITY if security else f"service/{_service(endpoint)}"},
        "initiator": _initiator(answered, who),
        "target": {"id": told.target_id or _UNKNOWN, "typeURI": told.target_type},
        "reason": _reason(answered.status, endpoint.allow.name if endpoint.allow else None),
        "requestPath": endpoint.path,
        **told.details,
        **answered.asked.noted,
    }


def _initiator(answered: _Answered, who: Mapping[str, Any]) -> dict[str, Any]:
    caller = answered.caller
    known = {
        "name": who["name"], "request_id": answered.request_id, "project_id": caller.project_id,
        "domain_id": caller.domain_id, "user_domain_id": who["domain_id"], "user_domain_name": who.get("domain_name"),
        "system_scope": "all" if caller.system else None,
    }  # fmt: skip
    host = {"address": answered.address, "agent": answered.agent}
    return {
        "id": who["id"] or _UNKNOWN,
        "typeURI": _ACCOUNT,
        "host": {key: value for key, value in host.items() if value},
        **{key: value for key, value in known.items() if value is not None},
    }


def _reason(status: int, policy: str | None) -> dict[str, str]:
    why = {"reasonType": "HTTP", "reasonCode": str(status)}
    if status == 403 and policy is not None:
        why |= {"policyType": "oslo.policy", "policyId": policy}
    return why
