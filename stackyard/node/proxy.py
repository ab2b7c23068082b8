"""The stand-in for an object at the far end of a link: its contract's methods and attributes, looked up when used."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from stackyard.kernel.steps import Cancelled, Refused, Transient
from stackyard.node.contract import Contract, Method
from stackyard.node.link import Link

#: Told of each call: target, method, how it ended (ok, transient, refused, cancelled, failed), seconds.
Watch = Callable[[str, str, str, float], None]


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
        began, outcome = time.perf_counter(), "ok"
        try:
            return self.link().call(self.target, self.contract, self.method, args, kwargs)
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self.watch(self.target, self.method.name, outcome, time.perf_counter() - began)


def _outcome(error: BaseException) -> str:
    kinds = {Cancelled: "cancelled", Transient: "transient", Refused: "refused"}
    return next((told for kind, told in kinds.items() if isinstance(error, kind)), "failed")


class Proxy:
    """Looks like the contract's Protocol. A method that the contract lacks is an AttributeError, at once."""

    def __init__(
        self, link: Callable[[], Link], attribute: Callable[[str], msgspec.Raw], target: str, contract: Contract,
        watch: Watch = lambda target, method, outcome, seconds: None,
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
