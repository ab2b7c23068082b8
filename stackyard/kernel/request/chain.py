"""The request chain: one flat, ordered list of stages from a raw request to an answer.

request id → log → service → route → version → token → body limit → find the object → allow → validate → handle →
render → audit. 401 comes before 404, and policy before schema errors: a stranger learns nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from stackyard.kernel.caller import ANONYMOUS, Caller
from stackyard.kernel.declare.room import Room
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
    Unauthorized,
    UnsupportedMediaType,
)
from stackyard.kernel.logs import about
from stackyard.kernel.observe.trace import Trace, within
from stackyard.kernel.request import access, presented, routing, watch
from stackyard.kernel.request.endpoints import (
    Call,
    Endpoint,
    as_reply,
    asks_policy_first,
    policy_target,
    read_call,
    rule_asked,
)
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.request.representation import varying
from stackyard.kernel.storage.database import Record, Transaction
from stackyard.kernel.work import Services, Work

log = logging.getLogger("stackyard.requests")

TokenValidator = Callable[[Transaction, str], Caller]
BODY_LIMIT = 4 * 1024 * 1024


@dataclass(kw_only=True)
class Exchange:
    """A request on its way through the chain, and what each stage found out."""

    request: Request
    request_id: str = ""
    room: Room | None = None
    candidates: list[Endpoint] | None = None
    endpoint: Endpoint | None = None
    version: Version | None = None
    caller: Caller = ANONYMOUS
    call: Call | None = None
    #: The span that this request is, and what caused it; None: it is not traced.
    trace: Trace | None = None
    cause: Trace | None = None


class Chain:
    """The stages, bound to the cloud's services, router and token validator."""

    def __init__(self, services: Services, router: routing.Router, validate_token: TokenValidator) -> None:
        self.services = services
        self.router = router
        self.validate_token = validate_token
        self.bell = watch.Bell(services.database)

    # -- before the body is read: on the event loop's thread, only quick look-ups --

    def route(self, exchange: Exchange) -> None:
        """From request to service, endpoint and version. Raises ApiError."""
        for stage in (self.name_request, self.find_service, self.find_route, self.choose_version):
            stage(exchange)

    def admit(self, exchange: Exchange, tx: Transaction) -> Endpoint:
        """The endpoint, once it is known who asks. Raises ApiError."""
        self.authenticate(exchange, tx)
        self.limit_body(exchange)
        assert exchange.endpoint is not None
        return exchange.endpoint

    def name_request(self, exchange: Exchange) -> None:
        """Every request has an id of its own; the answer, the log and the timeline carry it."""
        exchange.request_id = f"req-{self.services.clock.new_id()}"

    def find_service(self, exchange: Exchange) -> None:
        """Which room is asked; its dialect speaks from here on."""
        exchange.room = self.router.room(exchange.request.path)

    def find_route(self, exchange: Exchange) -> None:
        """Which endpoints the path and method name. What does not exist is 401 to a stranger and 404 to others, so the
        error waits for the token, unless the path is for strangers."""
        try:
            exchange.candidates = self.router.candidates(exchange.request.method, exchange.request.path)
        except ApiError as error:
            if isinstance(error, MethodNotAllowed) and self.router.is_public(exchange.request.path):
                raise
            exchange.candidates = None
        public = exchange.candidates and exchange.candidates[0].token == "none"
        if (not public and _lacks_an_id(exchange)) or "\x00" in exchange.request.path:
            exchange.candidates = None

    def choose_version(self, exchange: Exchange) -> None:
        """Which microversion is asked, and the endpoint that exists in it."""
        assert exchange.room is not None
        if exchange.room.versions:
            exchange.version = exchange.room.versions.asked(exchange.request.headers.get("openstack-api-version"))
        if exchange.candidates:
            exchange.endpoint = routing.choose(exchange.candidates, exchange.version)
            exchange.request.params = routing.params_of(exchange.endpoint, exchange.request.path)

    def authenticate(self, exchange: Exchange, tx: Transaction) -> None:
        """Who asks. Raises Unauthorized when a token is needed and none or a bad one came."""
        token = _token(exchange.request)
        needed = exchange.endpoint.token if exchange.endpoint else "required"
        if token and needed != "none":
            try:
                exchange.caller = self._within_its_bounds(exchange, self.validate_token(tx, token))
            except Unauthorized:
                if needed == "required":
                    raise
        elif needed == "required":
            raise Unauthorized(
                "The request you have made requires authentication.", remedy="Send a valid token in X-Auth-Token."
            )
        if exchange.endpoint is None:
            if not _lacks_an_id(exchange):
                self.router.candidates(exchange.request.method, exchange.request.path)
                raise NotFound("The resource could not be found.", remedy="No path has a NUL character.")
            raise NotFound("The resource could not be found.", remedy="The path ends where an id should follow.")

    def _within_its_bounds(self, exchange: Exchange, caller: Caller) -> Caller:
        """The caller, unless their token is for other requests or bound to a certificate that did not come along: 401,
        as keystonemiddleware answers for the services that it guards. 403 where the service is not for such tokens."""
        room, request = exchange.room, exchange.request
        assert room is not None
        if not presented.bound_to(caller.certificate, request.certificate):
            raise Unauthorized(
                "The token is bound to a client certificate, which was not presented.",
                remedy="Connect with the certificate that the token was got with.",
            )
        if room.admits:
            room.admits(caller)
        if caller.access_rules is None or (room.always_permits and room.always_permits(request)):
            return caller
        types = [kind for kind, _, _ in room.services]
        if access.permitted(caller.access_rules, types, room.path, request.method, request.path):
            return caller
        raise Unauthorized(
            f"The access rules of the token do not permit {request.method} {request.path[:255]}.",
            remedy="Use an application credential with an access rule for it.",
        )

    def limit_body(self, exchange: Exchange) -> None:
        """Refuse a body that says it is too large, or compressed, before a byte of it is read."""
        assert exchange.endpoint is not None
        if exchange.endpoint.stream:
            return
        length = exchange.request.content_length or 0
        if length > BODY_LIMIT:
            raise PayloadTooLarge(f"The body has {length} bytes; at most {BODY_LIMIT} are read here.")
        coding = exchange.request.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":
            raise UnsupportedMediaType(
                f"A body in the coding '{coding[:40]}' is not read here.", remedy="Send it uncompressed."
            )

    # -- after the body is read: in one transaction --

    def receive(self, exchange: Exchange, raw: bytes) -> None:
        """Parse the body; a call is ready to be handled."""
        given: Any = None
        if raw:
            given = _parse(exchange, raw)
        exchange.call = Call(request=exchange.request, given=given)

    def work(self, exchange: Exchange, tx: Transaction) -> Work:
        """The unit of work of this request in this transaction."""
        return Work(
            tx=tx,
            caller=exchange.caller,
            services=self.services,
            request_id=exchange.request_id,
            version=exchange.version,
            base_url=exchange.request.base_url,
            params=exchange.request.params,
            query=dict(exchange.request.raw_query),
            query_string=exchange.request.query_string,
        )

    def find_and_allow(self, exchange: Exchange, work: Work) -> None:
        """Find the object the path names (unknown or invisible: 404), then ask policy."""
        endpoint, call = exchange.endpoint, exchange.call
        assert endpoint is not None and call is not None
        if endpoint.find:
            try:
                call.record = endpoint.find(work, exchange.request.params)
            except NotFound:
                if asks_policy_first(endpoint):
                    self._allow(work, endpoint, call)
                raise
        self._allow(work, endpoint, call)

    def _allow(self, work: Work, endpoint: Endpoint, call: Call) -> None:
        rule = rule_asked(endpoint, call)
        if rule is None or work.allows(rule.name, policy_target(work, endpoint, call)):
            return
        raise Forbidden(
            f"You are not authorized to perform the requested action: {rule.name}.",
            remedy="Policy does not allow it with your roles and scope.",
            kind="PolicyNotAuthorized",
        )

    def validate(self, exchange: Exchange) -> None:
        """Read body and query as declared."""
        assert exchange.endpoint is not None and exchange.call is not None
        read_call(exchange.endpoint, exchange.call, exchange.version)

    def handle(self, exchange: Exchange, tx: Transaction) -> Reply | Callable[[], Any]:
        """The stages inside the transaction. A function as result is to be called once the transaction is closed."""
        work = self.work(exchange, tx)
        endpoint, call = exchange.endpoint, exchange.call
        assert endpoint is not None and call is not None
        self.find_and_allow(exchange, work)
        if endpoint.watches and watch.asked(exchange.request):
            return self.watch(exchange, work)
        if not endpoint.before:
            self.validate(exchange)
        result = endpoint.handle(work, call)
        return result if callable(result) else as_reply(work, endpoint, result)

    def watch(self, exchange: Exchange, work: Work) -> Reply:
        """The changes of the collection, as they come."""
        assert exchange.endpoint is not None
        watching = watch.Watch.begin(
            work, exchange.endpoint, exchange.request, lambda tx: self._renewed(exchange, tx), self.bell
        )
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Reply(events=watching.events(), content_type="text/event-stream", headers=headers)

    def _renewed(self, exchange: Exchange, tx: Transaction) -> Work:
        """The same request in a later transaction. Raises ApiError when it would be refused by now."""
        self.authenticate(exchange, tx)
        work = self.work(exchange, tx)
        self.find_and_allow(exchange, work)
        return work

    def run(self, exchange: Exchange) -> Reply:
        """Handle in the transaction the endpoint needs. Blocking."""
        with self._about(exchange):
            endpoint = exchange.endpoint
            assert endpoint is not None and exchange.call is not None
            if endpoint.before:
                self._prepare(exchange, endpoint)
            database = self.services.database
            with database.read() if endpoint.reads != "nothing" else database.write() as tx:
                result = self.handle(exchange, tx)
            return result if isinstance(result, Reply) else finished(endpoint, result)

    def write(self, exchange: Exchange, tx: Transaction) -> Reply | Callable[[], Any]:
        """As `handle`, in a thread that does one request after the other."""
        with self._about(exchange):
            return self.handle(exchange, tx)

    def complete(self, exchange: Exchange, result: Callable[[], Any]) -> Reply:
        """Call what `write` left to be done once its transaction was durable. Blocking."""
        assert exchange.endpoint is not None
        with self._about(exchange):
            return finished(exchange.endpoint, result)

    @contextmanager
    def _about(self, exchange: Exchange) -> Iterator[None]:
        """What is logged and done in this block is because of the request."""
        caller = exchange.caller
        ids = {"request_id": exchange.request_id, "user_id": caller.user_id, "project_id": caller.project_id}
        with within(exchange.trace), about(**ids):
            yield

    def _prepare(self, exchange: Exchange, endpoint: Endpoint) -> None:
        """Slow preparation outside any transaction, once policy and validation have passed."""
        call = exchange.call
        assert endpoint.before is not None and call is not None
        with self.services.database.read() as tx:
            self.find_and_allow(exchange, self.work(exchange, tx))
            self.validate(exchange)
        query = Record(exchange.request.raw_query)
        for each in call.body if isinstance(call.body, list) else [call.body]:
            endpoint.before(self.services, exchange.caller, each if each is not None else query)

    # -- the answer --

    def refusal(self, exchange: Exchange, error: ApiError) -> Reply:
        """An error in the dialect of the service that was asked."""
        headers = dict(error.headers)
        error.request_id, error.version = exchange.request_id, exchange.version
        if error.inward:
            log.warning("a request was refused: %s", error, extra={"request_id": exchange.request_id})
        if error.status == 401:
            headers.setdefault("WWW-Authenticate", f'Keystone uri="{self.services.settings.base_url}/identity"')
        status = error.status
        if exchange.room is None:
            return Reply(
                status=status,
                body={"error": {"code": status, "title": error.title, "message": error.message}},
                headers=headers,
            )
        if isinstance(error, QuotaExceeded):
            error.status = status = exchange.room.dialect.quota_status
        body = exchange.room.dialect.error(error)
        return Reply(status=status, body=body, headers=headers, noted=error.noted)

    def failure(self, exchange: Exchange, error: Exception) -> Reply:
        """An error of our own: logged with the request id, no word of it to the caller."""
        log.exception("request failed", extra={
            "request_id": exchange.request_id, "path": exchange.request.path, "user_id": exchange.caller.user_id,
            "project_id": exchange.caller.project_id,
        })  # fmt: skip
        return self.refusal(
            exchange, ApiError("An unexpected error occurred.", remedy=f"Quote {exchange.request_id} to the operator.")
        )

    def finish(self, exchange: Exchange, reply: Reply) -> None:
        """Headers every answer carries."""
        if exchange.request_id:
            reply.headers.setdefault("x-openstack-request-id", exchange.request_id)
        if exchange.trace is not None:
            reply.headers.setdefault("traceparent", str(exchange.trace))
        if exchange.room is not None and exchange.room.versions and exchange.version:
            for name, value in exchange.room.versions.headers(exchange.version).items():
                reply.headers.setdefault(name, value)
        if exchange.room is not None:
            varying(reply.headers, "X-Auth-Token")


def finished(endpoint: Endpoint, result: Callable[[], Any]) -> Reply:
    """The answer of a handler that does the rest outside its transaction."""
    body = result()
    return body if isinstance(body, Reply) else Reply(status=endpoint.status, body=body)


def reads_only(exchange: Exchange) -> bool:
    """Whether a request is one read transaction and nothing slow, so that it is handled there and then."""
    endpoint = exchange.endpoint
    if endpoint is None or endpoint.reads != "database" or endpoint.before is not None:
        return False
    return exchange.request.method in ("GET", "HEAD")


def writes_only(endpoint: Endpoint) -> bool:
    """Whether a request is one write transaction and nothing slow: its body is in memory, no driver is called, nothing
    is prepared."""
    return endpoint.reads == "nothing" and not endpoint.stream and endpoint.before is None


def _token(request: Request) -> str | None:
    """The token of a request: OpenStack's header, or OAuth's (RFC 6750) where that one is not sent."""
    if token := request.headers.get("x-auth-token"):
        return token
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _lacks_an_id(exchange: Exchange) -> bool:
    """Whether the path ends where this service expects an id to follow."""
    assert exchange.room is not None
    return exchange.request.trailing_slash and exchange.room.dialect.trailing_slash == "missing"


def _parse(exchange: Exchange, raw: bytes) -> Any:
    endpoint = exchange.endpoint
    assert endpoint is not None
    media = exchange.request.content_type
    declared = endpoint.read is not None
    if not declared and "json" not in media:
        return raw
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", remedy="Send a JSON object.") from error
