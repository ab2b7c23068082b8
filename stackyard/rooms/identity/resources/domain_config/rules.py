"""Use cases of domains' configurations. Whole, by group and by option: the path says how much is meant."""

from collections.abc import Mapping
from typing import Any

from stackyard.kernel.errors import BadRequest, Forbidden, NotFound
from stackyard.kernel.request.exchange import Reply, Request
from stackyard.kernel.work import Work
from stackyard.rooms.identity import rows
from stackyard.rooms.identity.errors import denied, invalid
from stackyard.rooms.identity.resources.domain import resource as domains
from stackyard.rooms.identity.resources.domain_config import store
from stackyard.rooms.identity.resources.domain_config.options import COMPLIANCE, OPTIONS
from stackyard.rooms.identity.resources.domain_config.store import Configuration
from stackyard.rooms.identity.rotation import keys_of

_COMPLIANCE_GROUP = "security_compliance"


def show(work: Work, request: Request) -> dict[str, Any]:
    """What a domain has set, without secrets. Raises NotFound when that is nothing."""
    group, option = _part(request)
    action = "get_security_compliance_domain_config" if group == _COMPLIANCE_GROUP else "get_domain_config"
    if not work.allows(f"identity:{action}", {}):
        raise denied(action)
    domain_id = _domain(work, request)
    if group == _COMPLIANCE_GROUP:
        return {"config": _narrowed(_compliance(work, domain_id, option), group, option)}
    _known(group, option)
    found = _narrowed(_without_secrets(store.own(work.tx, domain_id)), group, option)
    if not found:
        raise _missing(domain_id, group, option)
    return {"config": found}


def _part(request: Request) -> tuple[str | None, str | None]:
    return request.params.get("group"), request.params.get("option")


def _domain(work: Work, request: Request) -> str:
    return str(rows.existing(work, domains.DOMAIN, request.params["domain_id"], is_domain=True).id)


def _compliance(work: Work, domain_id: str, option: str | None) -> Configuration:
    if domain_id != "default":
        raise _refused("security compliance is the same in every domain, and read of the domain 'default' only.")
    if option not in (None, *COMPLIANCE):
        raise _refused(f"of security compliance, only {' and '.join(COMPLIANCE)} can be read.")
    rules = work.services.settings.security_compliance
    return {_COMPLIANCE_GROUP: {name: getattr(rules, name) for name in COMPLIANCE}}


def _narrowed(found: Configuration, group: str | None, option: str | None) -> dict[str, Any]:
    """The part that is asked for: of an option its value alone, without the group."""
    if group is None:
        return found
    options = found.get(group, {})
    if option is None:
        return {group: options} if options else {}
    return {option: options[option]} if option in options else {}


def _without_secrets(found: Configuration) -> Configuration:
    shown = {
        group: {name: value for name, value in options.items() if not OPTIONS[group][name].sensitive}
        for group, options in found.items()
    }
    return {group: options for group, options in shown.items() if options}


def _known(group: str | None, option: str | None) -> None:
    """Raise Forbidden for a group or option that domains cannot set."""
    if group is not None and group not in OPTIONS:
        raise _refused(f"group {group} is not supported for domain specific configurations.", field=group)
    if group is not None and option is not None and option not in OPTIONS[group]:
        raise _refused(
            f"option {option} in group {group} is not supported for domain specific configurations.",
            field=f"{group}.{option}",
        )


def _refused(why: str, field: str | None = None) -> Forbidden:
    return Forbidden(f"Invalid domain specific configuration: {why}", field=field)


def _missing(domain_id: str, group: str | None, option: str | None) -> NotFound:
    said = f"option {option} in group {group}" if option else f"group {group}" if group else "any options"
    return NotFound(f"Could not find {said} in domain configuration for domain {domain_id}.")


def replace(work: Work, request: Request) -> Reply:
    """Set just these options, instead of all the domain has set: 201 when that was nothing."""
    domain_id, given = _domain(work, request), _given(request)
    was_set = store.is_set(work.tx, domain_id)
    store.remove(work.tx, domain_id)
    store.put(work.tx, domain_id, store.sealed(_read(given), keys_of(work.services).secret))
    body = {"config": _without_secrets(store.own(work.tx, domain_id))}
    return Reply(status=200 if was_set else 201, body=body)


def change(work: Work, request: Request) -> dict[str, Any]:
    """Set these options too. Where the path names a group or an option, it must be set, and nothing else given."""
    domain_id, given = _domain(work, request), _given(request)
    group, option = _part(request)
    _known(group, option)
    if group is not None:
        given = _only(given, group, option)
        if not _narrowed(store.own(work.tx, domain_id), group, option):
            raise _missing(domain_id, group, option)
    store.put(work.tx, domain_id, store.sealed(_read(given), keys_of(work.services).secret))
    return {"config": _without_secrets(store.own(work.tx, domain_id))}


def _only(given: Mapping[str, Any], group: str, option: str | None) -> Mapping[str, Any]:
    """The body as a whole configuration; that of an option holds the option alone."""
    wanted = option or group
    if list(given) != [wanted]:
        raise _refused(
            f"the body must hold {wanted}, which the path names, and nothing else.", field=f"config.{wanted}"
        )
    return {group: dict(given)} if option else given


def _given(request: Request) -> Mapping[str, Any]:
    body = request.body
    if not isinstance(body, Mapping) or not isinstance(body.get("config"), Mapping):
        raise BadRequest("The request body must be an object with the member 'config'.", field="config")
    if not body["config"]:
        raise _refused("no options specified.", field="config")
    given: Mapping[str, Any] = body["config"]
    return given


def _read(given: Mapping[str, Any]) -> Configuration:
    """The values, parsed. Raises Forbidden for what domains cannot set, BadRequest for a bad value."""
    read: Configuration = {}
    for group, options in given.items():
        _known(group, None)
        if not isinstance(options, Mapping) or not options:
            raise invalid(f"config.{group}", "must be an object with at least one option.")
        for option, value in options.items():
            _known(group, option)
            parsed = OPTIONS[group][option].kind.parse(value, f"config.{group}.{option}", False)
            read.setdefault(group, {})[option] = parsed
    return read


def remove(work: Work, request: Request) -> None:
    """Unset all of it, a group or an option. Raises NotFound when what the path names is not set."""
    domain_id = _domain(work, request)
    group, option = _part(request)
    _known(group, option)
    part = {name: value for name, value in (("group", group), ("option", option)) if value is not None}
    if not store.remove(work.tx, domain_id, **part) and group is not None:
        raise _missing(domain_id, group, option)


def show_default(work: Work, request: Request) -> dict[str, Any]:
    """What holds where a domain has set nothing, without secrets."""
    group, option = _part(request)
    _known(group, option)
    if group and option and OPTIONS[group][option].sensitive:
        raise _refused(f"reading the default of option {option} in group {group} is not supported.")
    defaults = {name: {one: each.default for one, each in options.items()} for name, options in OPTIONS.items()}
    return {"config": _narrowed(_without_secrets(defaults), group, option)}
