"""What domains have set for themselves."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from stackyard.kernel.secret import CloudSecret
from stackyard.kernel.storage.database import Column, Json, Transaction, table
from stackyard.rooms.identity.resources.domain_config.options import OPTIONS

DOMAIN_OPTION = table(
    "identity_domain_option",
    Column("domain_id", sa.String(64), primary_key=True),
    Column("group", sa.String(64), primary_key=True),
    Column("option", sa.String(64), primary_key=True),
    Column("value", Json),
)

#: group → option → value
Configuration = dict[str, dict[str, Any]]


def own(tx: Transaction, domain_id: str) -> Configuration:
    """What a domain has set; its secrets are sealed."""
    found: Configuration = {}
    for row in tx.find(DOMAIN_OPTION, domain_id=domain_id):
        found.setdefault(row.group, {})[row.option] = row.value
    return found


def put(tx: Transaction, domain_id: str, configuration: Mapping[str, Mapping[str, Any]]) -> None:
    """Set these options; others stay."""
    for group, options in configuration.items():
        for option, value in options.items():
            key = {"domain_id": domain_id, "group": group, "option": option}
            tx.delete(DOMAIN_OPTION, **key)
            tx.insert(DOMAIN_OPTION, {**key, "value": value})


def remove(tx: Transaction, domain_id: str, **part: str) -> int:
    """Unset a domain's options: all, those of a `group`, or one `option` of it; returns how many."""
    return tx.delete(DOMAIN_OPTION, domain_id=domain_id, **part)


def sealed(given: Configuration, secret: CloudSecret) -> Configuration:
    """The options as they are kept: who reads the database alone cannot read what is sensitive."""
    return _changed(given, lambda value: {"sealed": secret.seal(str(value).encode())})


def opened(kept: Configuration, secret: CloudSecret) -> Configuration:
    """The options as they were given."""
    return _changed(kept, lambda value: secret.open(value["sealed"]).decode())


def _changed(given: Configuration, change: Callable[[Any], Any]) -> Configuration:
    return {
        group: {
            name: change(value) if OPTIONS[group][name].sensitive and value is not None else value
            for name, value in options.items()
        }
        for group, options in given.items()
    }


def effective(tx: Transaction, domain_id: str, secret: CloudSecret) -> Configuration:
    """What holds in a domain, for what keeps its users: its own options over the defaults, secrets included. A text may
    name a sensitive option of its group, as in `ldap://%(user)s:%(password)s@host`."""
    return completed(opened(own(tx, domain_id), secret))


def completed(given: Configuration) -> Configuration:
    """These options over the defaults. One that is null is not set."""
    found: Configuration = {}
    for group, options in OPTIONS.items():
        values = {name: each.default for name, each in options.items()}
        values |= {name: value for name, value in given.get(group, {}).items() if value is not None}
        secrets = {name: str(values[name]) for name, each in options.items() if each.sensitive and values[name]}
        found[group] = {name: _filled_in(value, secrets) for name, value in values.items()}
    return found


def _filled_in(value: Any, secrets: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    for name, secret in secrets.items():
        value = value.replace(f"%({name})s", secret)
    return value


def domains_with(tx: Transaction, group: str, option: str) -> list[str]:
    """The ids of the domains that have set an option."""
    return [row.domain_id for row in tx.find(DOMAIN_OPTION, group=group, option=option)]


def is_set(tx: Transaction, domain_id: str) -> bool:
    """Whether a domain has set anything for itself."""
    return tx.one(sa.select(DOMAIN_OPTION.c.option).where(DOMAIN_OPTION.c.domain_id == domain_id)) is not None
