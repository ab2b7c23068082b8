"""Input into records, records into answers: what a declaration's fields mean at the edge.

Reading refuses what the declaration does not know, names the field at fault and loses nothing; showing leaves out what
the asked microversion does not have.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal

from stackyard.kernel.caller import Caller
from stackyard.kernel.declare.dialect import Dialect
from stackyard.kernel.declare.kinds import invalid
from stackyard.kernel.declare.resource import NO_DEFAULT, Allow, Field, Resource
from stackyard.kernel.declare.versions import Version
from stackyard.kernel.errors import BadRequest, Forbidden
from stackyard.kernel.request.policy import attribute_rule
from stackyard.kernel.storage.database import Record
from stackyard.kernel.work import Work


class Body:
    """What a create, an update or an action may be given; what follows from the declaration is worked out once for each
    microversion."""

    def __init__(self, fields: Iterable[Field], verb: Literal["create", "update"]) -> None:
        self._fields = tuple(fields)
        self._verb: Literal["create", "update"] = verb
        self._forms: dict[Version | None, _Form] = {}

    def read(self, given: Any, dialect: Dialect, asked: Version | None) -> Record:
        """The validated input. Fields not given are absent unless they have a default (create only). Raises BadRequest
        naming the field."""
        form = self._forms.get(asked)
        if form is None:
            form = self._forms[asked] = _form(self._fields, self._verb, asked)
        given = _by_name(form, self._object(given, dialect))
        if not form.taken.keys() >= given.keys():
            _refuse_unknown(form, given, dialect, self._verb)
        parsed = Record()
        for name, each in form.taken.items():
            if name in given:
                parsed[name] = read_value(each, given[name], dialect)
            elif self._verb == "create":
                _default_into(parsed, each)
        if dialect.unknown_fields == "keep" and "extra" in form.known:
            parsed["extra"] = {name: value for name, value in given.items() if name not in form.known}
        return parsed

    def _object(self, given: Any, dialect: Dialect) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise BadRequest(
                "The request body must be a JSON object.", remedy="Send an object with the fields of the resource."
            )
        if not given and self._verb == "update" and dialect.empty_update == "refuse":
            raise BadRequest("The request changes nothing.", remedy="Name at least one attribute with its new value.")
        return given


@dataclass(frozen=True)
class _Form:
    """The fields of a body in one microversion: all, those that may be given, and which second names mean which."""

    known: Mapping[str, Field]
    taken: Mapping[str, Field]
    aliases: Mapping[str, str]


def _form(fields: Iterable[Field], verb: Literal["create", "update"], asked: Version | None) -> _Form:
    known = {each.name: each for each in fields if each.exists_in(asked)}
    return _Form(
        known=known,
        taken={name: each for name, each in known.items() if getattr(each, verb)},
        aliases={each.alias: name for name, each in known.items() if each.alias},
    )


def _by_name(form: _Form, given: Mapping[str, Any]) -> Mapping[str, Any]:
    if form.aliases.keys().isdisjoint(given):
        return given
    renamed: dict[str, Any] = {}
    for name, value in given.items():
        target = form.aliases.get(name, name)
        if target in renamed and renamed[target] != value:
            raise invalid(name, f"contradicts '{target}', which is the same attribute.")
        renamed[target] = value
    return renamed


def _refuse_unknown(form: _Form, given: Mapping[str, Any], dialect: Dialect, verb: str) -> None:
    for name in given:
        if name in form.taken or dialect.unknown_fields != "refuse":
            continue
        each = form.known.get(name)
        if each is not None and each.read:
            raise invalid(name, "is read-only." if not (each.create or each.update) else f"cannot be given on {verb}.")
        raise BadRequest(
            f"Unrecognized attribute '{name}': additional properties are not allowed.",
            field=name,
            remedy=f"Known are: {', '.join(sorted(form.taken))}.",
        )


def read_value(each: Field, value: Any, dialect: Dialect) -> Any:
    """One validated value. Raises BadRequest."""
    if value is None:
        if not each.null:
            raise invalid(each.name, "must not be null.")
        return None
    return each.kind.parse(value, each.name, dialect.strict)


def _default_into(parsed: Record, each: Field) -> None:
    if each.default is not NO_DEFAULT:
        parsed[each.name] = each.default() if callable(each.default) else each.default
    elif each.required:
        raise invalid(each.name, "is required.")


def read_query(fields: Sequence[Field], raw: Sequence[tuple[str, str]], asked: Version | None) -> Record:
    """The declared query parameters that were given, with defaults. Query text is always read leniently ("true",
    "8")."""
    values = dict(raw)
    parsed = Record()
    for each in fields:
        if not each.exists_in(asked):
            continue
        if each.name in values:
            text: Any = values[each.name]
            if each.kind.storage == "json":
                text = [value for name, value in raw if name == each.name]
            parsed[each.name] = each.kind.parse(text, each.name, False)
        else:
            _default_into(parsed, each)
    return parsed


def check_attributes(
    work: Work, allow: Allow | None, resource: Resource, values: Mapping[str, Any], target: Mapping[str, Any]
) -> None:
    """Raise Forbidden when the caller sets an attribute that its policy keeps from them."""
    if allow is None:
        return
    for name, value in values.items():
        each = resource.all_fields.get(name)
        if each is None or not each.admin or value == _harmless(each, work.caller, target):
            continue
        rule = attribute_rule(allow, each)
        if not work.allows(rule.name, {**target, name: value}):
            raise Forbidden(
                f"(rule:{rule.name}) is disallowed by policy: setting '{name}' is not allowed to you.",
                field=name,
                remedy="Leave the attribute out, or ask an administrator.",
                kind="PolicyNotAuthorized",
            )


def _harmless(each: Field, caller: Caller, target: Mapping[str, Any]) -> Any:
    if each.name == "project_id":
        return (target.get("id") and target.get("project_id")) or caller.project_id
    default = each.default() if callable(each.default) else each.default
    return target[each.name] if "id" in target and each.name in target else default


@dataclass(frozen=True)
class _Plan:
    """How the records of one resource are shown in one microversion, worked out once: a list does it per object.

    `values` takes all that is stored from a record in one step, for `names`; a computed field has a stored one in its
    place until it is. The plan holds its resource, so that no other one gets its id."""

    resource: Resource
    names: tuple[str, ...]
    values: Callable[[Record], tuple[Any, ...]]
    computed: list[tuple[str, str | None, Callable[[Work, Record], Any]]]
    moments: list[tuple[str, str | None]]


_PLANS: dict[tuple[int, Version | None], _Plan] = {}


def shown_names(resource: Resource, asked: Version | None) -> tuple[str, ...]:
    """The fields, and their second names, that an answer carries in this microversion."""
    return _plan(resource, asked).names


def _plan(resource: Resource, asked: Version | None) -> _Plan:
    found = _PLANS.get((id(resource), asked))
    if found is None:
        found = _PLANS[id(resource), asked] = _planned(resource, asked)
    return found


def _planned(resource: Resource, asked: Version | None) -> _Plan:
    shown = [each for each in resource.all_fields.values() if each.read and each.exists_in(asked)]
    pairs = [(name, each) for each in shown for name in (each.name, each.alias) if name]
    # One more at the end, so that there are always several, and a tuple comes of it.
    taken = [each.name if each.stored and not each.show else resource.id_field for _, each in pairs]
    return _Plan(
        resource=resource,
        names=tuple(name for name, _ in pairs),
        values=itemgetter(*taken, resource.id_field),
        computed=[
            (each.name, each.alias, each.show or _kept(each.name)) for each in shown if each.show or not each.stored
        ],
        moments=[(each.name, each.alias) for each in shown if each.show or _is_moment(each)],
    )


def _kept(name: str) -> Callable[[Work, Record], Any]:
    return lambda work, record: record.get(name)


def _is_moment(each: Field) -> bool:
    return each.kind.storage == "instant" or not each.stored


def show(
    work: Work, resource: Resource, record: Record, dialect: Dialect, url: str, only: Sequence[str] = ()
) -> dict[str, Any]:
    """A record as answers carry it: hidden fields left out, computed ones added, times in the dialect's form."""
    plan = _plan(resource, work.version)
    try:
        values = plan.values(record)
    except KeyError:
        # What a rule made by itself need not have every column.
        values = plan.values(Record({**dict.fromkeys(resource.all_fields), **record}))
    shown: dict[str, Any] = dict(zip(plan.names, values))  # noqa: B905  the one more is left out
    for name, alias, compute in plan.computed:
        shown[name] = compute(work, record)
        if alias:
            shown[alias] = shown[name]
    for name, alias in plan.moments:
        if isinstance(shown[name], datetime):
            shown[name] = dialect.timestamp(shown[name])
            if alias:
                shown[alias] = shown[name]
    if dialect.unknown_fields == "keep":
        shown = {**(record.get("extra") or {}), **shown}
    if dialect.item_links:
        shown["links"] = dialect.item_links(url)
    if resource.view:
        shown = resource.view(work, record, shown)
    return {name: shown[name] for name in only if name in shown} if only else shown
