"""The stand-in for an object at the far end of a link: its contract's methods and attributes, looked up when used."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import msgspec

from stackyard.node.contract import Contract, Method
from stackyard.node.link import Link

#: Gives, for a target and a method, the block in which the call is made.
Watch = Callable[[str, str], AbstractContextManager[None]]


def unwatched(target: str, method: str) -> AbstractContextManager[None]:
    """Nobody looks."""
    return nullcontext()


@dataclass(frozen=True)
class RemoteMethod:
    """A method that is run at the far end. The link is looked up at each call: it may have been replaced meanwhile."""

    link: Callable[[], Link]
    target: str
    contract: Contract
    method: Method
    watch: Watch

    @property
    def __name__(self) -> str:
        return self.method.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch(self.target, self.method.name):
            return self.link().call(self.target, self.contract, self.method, args, kwargs)


class Proxy:
    """Looks like the contract's Protocol. A method that the contract lacks is an AttributeError, at once."""

    def __init__(
        self, link: Callable[[], Link], attribute: Callable[[str], msgspec.Raw], target: str, contract: Contract,
        watch: Watch = unwatched,
    ) -> None:  # fmt: skip
        self._link = link
        self._attribute = attribute
        self._target = target
        self._contract = contract
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        method = self._contract.methods.get(name)
        if method is not None:
            return RemoteMethod(self._link, self._target, self._contract, method, self._watch)
        decoder = self._contract.attributes.get(name)
        if decoder is not None:
            return decoder.decode(self._attribute(name))
        raise AttributeError(f"the contract of {self._target} has no {name!r}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<remote {self._target}>"
