"""nftables tables as data: written whole, changed by the difference, and compared with what the kernel lists.

Every rule carries a digest of its own text as its comment, so that a listing shows which rules are there without the
text having to survive the kernel's rewording.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]
"""Family and name of a chain or set."""
Element = tuple[str | int, ...]
Value = None | int | str | tuple[str, str]
"""What a map's element leads to: a number, an address, or a verdict and its chain. None in a set."""


@dataclass(frozen=True)
class Hook:
    """Where a base chain sits."""

    kind: str
    hook: str
    priority: int
    policy: str


@dataclass(frozen=True)
class Chain:
    """A chain and its rules, in order."""

    rules: tuple[str, ...] = ()
    hook: Hook | None = None


@dataclass(frozen=True)
class ElementSet:
    """A set, or a map if ``is_map``; ``definition`` is nft's ("type ipv4_addr;")."""

    definition: str
    elements: Mapping[Element, Value] = field(default_factory=dict)
    is_map: bool = False

    @property
    def word(self) -> str:
        """What nft calls it."""
        return "map" if self.is_map else "set"


@dataclass(frozen=True)
class Objects:
    """The content of the tables of one name, in one or more families."""

    chains: Mapping[Key, Chain] = field(default_factory=dict)
    sets: Mapping[Key, ElementSet] = field(default_factory=dict)

    @property
    def families(self) -> list[str]:
        """The families that have a table."""
        return sorted({family for family, _ in [*self.chains, *self.sets]})


def whole(table: str, wanted: Objects) -> str:
    """A script that puts these objects in the place of whatever tables of the name there are."""
    lines = []
    for family in wanted.families:
        lines += [f"add table {family} {table}", f"delete table {family} {table}", f"add table {family} {table}"]
    lines += _declarations(table, wanted.chains, wanted.sets)
    lines += _rules(table, wanted.chains)
    for key, found in wanted.sets.items():
        lines += _elements("add", table, key, found.elements)
    return "\n".join(lines) + "\n"


def difference(table: str, old: Objects, new: Objects, again: Objects) -> str:
    """A script that leads from the old objects to the new ones.

    Those of the new ones that are also in ``again`` are stated once more, changed or not: chains anew, elements added.
    """
    chains = {key: chain for key, chain in new.chains.items() if key in again.chains or old.chains.get(key) != chain}
    sets = {key: found for key, found in new.sets.items() if key in again.sets or old.sets.get(key) != found}
    lines = _declarations(table, chains, sets)
    for key, before in old.sets.items():
        after = new.sets[key].elements if key in new.sets else {}
        gone = {e: value for e, value in before.elements.items() if e not in after or after[e] != value}
        lines += _elements("delete", table, key, gone)
    lines += [f"flush chain {family} {table} {name}" for family, name in chains]
    lines += _rules(table, chains)
    for key, found in sets.items():
        known = old.sets[key].elements if key in old.sets else {}
        stated = again.sets[key].elements if key in again.sets else {}
        fresh = {e: v for e, v in found.elements.items() if e in stated or e not in known or known[e] != v}
        lines += _elements("add", table, key, fresh)
    gone_chains = [key for key in old.chains if key not in new.chains]
    lines += [f"flush chain {family} {table} {name}" for family, name in gone_chains]
    lines += [f"delete chain {family} {table} {name}" for family, name in gone_chains]
    lines += [f"delete {old.sets[key].word} {key[0]} {table} {key[1]}" for key in old.sets if key not in new.sets]
    return "\n".join(lines) + "\n" if lines else ""


def takes_away(old: Objects, new: Objects) -> bool:
    """Whether a rule or an element of the old objects is not in the new ones."""
    for key, chain in old.chains.items():
        if key not in new.chains or not set(chain.rules) <= set(new.chains[key].rules):
            return True
    for key, found in old.sets.items():
        if key not in new.sets or not found.elements.items() <= new.sets[key].elements.items():
            return True
    return False


def faults(wanted: Objects, listed: Mapping[str, list[dict[str, Any]] | None]) -> list[str]:
    """How the kernel's listing of each family's table differs from the wanted objects, in words."""
    found = []
    for family in wanted.families:
        listing = listed.get(family)
        if listing is None:
            found.append(f"nft table of family {family} is missing")
            continue
        found += _chain_faults(family, wanted, listing)
        found += _set_faults(family, wanted, listing)
    return found


def _chain_faults(family: str, wanted: Objects, listing: list[dict[str, Any]]) -> list[str]:
    hooks = {item["chain"]["name"]: _listed_hook(item["chain"]) for item in listing if "chain" in item}
    rules: dict[str, list[str]] = {name: [] for name in hooks}
    for item in listing:
        if "rule" in item:
            rules[item["rule"]["chain"]].append(item["rule"].get("comment", ""))
    found = [f"{family} chain {name} is not ours" for name in hooks if (family, name) not in wanted.chains]
    for (of, name), chain in wanted.chains.items():
        if of != family:
            continue
        if name not in hooks:
            found.append(f"{family} chain {name} is missing")
        elif hooks[name] != chain.hook or rules[name] != [_mark(rule) for rule in chain.rules]:
            found.append(f"{family} chain {name} was changed")
    return found


def _set_faults(family: str, wanted: Objects, listing: list[dict[str, Any]]) -> list[str]:
    listed = {}
    for item in listing:
        for word in ("set", "map"):
            if word in item:
                listed[item[word]["name"]] = dict(map(_listed_element, item[word].get("elem", [])))
    found = [f"{family} set {name} is not ours" for name in listed if (family, name) not in wanted.sets]
    for (of, name), one in wanted.sets.items():
        if of != family:
            continue
        if name not in listed:
            found.append(f"{family} {one.word} {name} is missing")
        elif listed[name] != dict(one.elements):
            found.append(f"{family} {one.word} {name} was changed")
    return found


def _listed_hook(chain: dict[str, Any]) -> Hook | None:
    if "hook" not in chain:
        return None
    return Hook(kind=chain["type"], hook=chain["hook"], priority=chain["prio"], policy=chain["policy"])


def _listed_element(element: Any) -> tuple[Element, Value]:
    key, value = element if isinstance(element, list) else (element, None)
    parts = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
    if isinstance(value, dict):
        ((verdict, where),) = value.items()
        value = (verdict, where["target"])
    return tuple(_listed_part(part) for part in parts), value


def _listed_part(part: Any) -> str | int:
    if isinstance(part, dict) and "range" in part:
        return "-".join(part["range"])
    if isinstance(part, dict):
        return f"{part['prefix']['addr']}/{part['prefix']['len']}"
    return part if isinstance(part, int) else str(part)


def _declarations(table: str, chains: Mapping[Key, Chain], sets: Mapping[Key, ElementSet]) -> list[str]:
    lines = [f"add {s.word} {family} {table} {name} {{ {s.definition} }}" for (family, name), s in sets.items()]
    for (family, name), chain in chains.items():
        hook = chain.hook
        where = (
            f" {{ type {hook.kind} hook {hook.hook} priority {hook.priority}; policy {hook.policy}; }}" if hook else ""
        )
        lines.append(f"add chain {family} {table} {name}{where}")
    return lines


def _rules(table: str, chains: Mapping[Key, Chain]) -> list[str]:
    return [
        f'add rule {family} {table} {name} {rule} comment "{_mark(rule)}"'
        for (family, name), chain in chains.items()
        for rule in chain.rules
    ]


def _elements(verb: str, table: str, key: Key, elements: Mapping[Element, Value]) -> list[str]:
    if not elements:
        return []
    texts = ", ".join(_element(element, value) for element, value in elements.items())
    return [f"{verb} element {key[0]} {table} {key[1]} {{ {texts} }}"]


def _element(element: Element, value: Value) -> str:
    text = " . ".join(str(part) for part in element)
    if value is None:
        return text
    return f"{text} : {value[0]} {value[1]}" if isinstance(value, tuple) else f"{text} : {value}"


def _mark(rule: str) -> str:
    return hashlib.blake2b(rule.encode(), digest_size=4).hexdigest()
