"""What a driver's contract (a Protocol and the exceptions beside it) tells the link: types, streams and errors.

Everything is read from the annotations once, when the process starts; a contract that cannot be sent fails there.
"""

import inspect
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from stackyard.kernel import steps
from stackyard.node.messages import MALFORMED, Failure, encode, raw

_STREAMS = (Iterator, Iterable, Generator)
_KERNEL_ERRORS: tuple[type[Exception], ...] = (steps.Transient, steps.Refused, steps.Cancelled)


class DriverError(Exception):
    """A call failed in a way its contract does not name: the class and text of what was raised on the node."""


class BadCall(steps.Refused):
    """The far end cannot run this call: no such driver or method, or arguments that do not fit the contract."""


class Superseded(steps.Cancelled):
    """A newer claim of the same operation has called this node: whoever makes this call has lost the operation."""


@dataclass(frozen=True)
class Given:
    """The arguments of one call: those that are sent, those that are streamed, and the caller's own `cancel`."""

    plain: dict[str, msgspec.Raw]
    streams: dict[str, Any]
    cancel: threading.Event | None


@dataclass(frozen=True)
class Method:
    """One method of a contract.

    items: decodes the values of the stream it returns, if it returns one. streams: decodes the values of arguments that
    are streams. cancellable: it takes an event `cancel`; the far end supplies one, set when the caller's is.
    """

    name: str
    signature: inspect.Signature
    arguments: Mapping[str, "msgspec.msgpack.Decoder[Any]"]
    streams: Mapping[str, "msgspec.msgpack.Decoder[Any]"]
    result: "msgspec.msgpack.Decoder[Any]"
    items: "msgspec.msgpack.Decoder[Any] | None"
    cancellable: bool

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Given":
        """A call's arguments, made ready to be sent. Raises TypeError as the call itself would."""
        values = self.signature.bind(*args, **kwargs).arguments
        cancel = values.pop("cancel", None) if self.cancellable else None
        streams = {name: values.pop(name) for name in self.streams if name in values}
        return Given({name: raw(value) for name, value in values.items()}, streams, cancel)

    def decode(self, arguments: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
        """The arguments as the annotations say. Raises BadCall."""
        try:
            return {name: self.arguments[name].decode(value) for name, value in arguments.items()}
        except (KeyError, *MALFORMED) as wrong:
            raise BadCall(f"{self.name}: {wrong}") from wrong


class Contract:
    """The methods, plain attributes and errors of one Protocol; the errors are those of the module that defines it."""

    def __init__(self, protocol: type) -> None:
        self.methods = {
            name: _method(name, function)
            for name, function in inspect.getmembers(protocol, inspect.isfunction)
            if not name.startswith("_")
        }
        self.attributes = {
            name: msgspec.msgpack.Decoder(hint)
            for name, hint in get_type_hints(protocol).items()
            if not name.startswith("_")
        }
        self._errors = _errors(sys.modules[protocol.__module__])

    def failure(self, error: BaseException) -> Failure:
        """An exception as it is sent: by the nearest class that the contract knows, else as words."""
        for known in type(error).__mro__:
            if self._errors.get(known.__name__) is known:
                return Failure(known.__name__, [_text(each) for each in error.args], _plain_fields(error))
        transient = bool(getattr(error, "transient", False))
        return Failure("", [_text(f"{type(error).__name__}: {error}")], transient=transient)

    def error(self, failure: Failure) -> Exception:
        """The exception again. Its constructor is not run: its arguments and fields are what they were."""
        if not failure.name:
            return (steps.Transient if failure.transient else DriverError)(*failure.args)
        kind = self._errors.get(failure.name)
        if kind is None:
            return DriverError(f"{failure.name}: {' '.join(failure.args)}")
        error = kind.__new__(kind)
        error.args = tuple(failure.args)
        vars(error).update(failure.fields)
        return error


def _method(name: str, function: Callable[..., Any]) -> Method:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    hints = get_type_hints(function)
    cancellable = "cancel" in hints and threading.Event in (hints["cancel"], *get_args(hints["cancel"]))
    sent = [each for each in parameters if not (cancellable and each.name == "cancel")]
    streams = {each.name: item for each in sent if (item := _item(hints[each.name])) is not None}
    result = hints.get("return", NoneType)
    item = _item(result)
    return Method(
        name=name,
        signature=signature.replace(parameters=parameters),
        arguments={e.name: msgspec.msgpack.Decoder(hints[e.name]) for e in sent if e.name not in streams},
        streams={name: msgspec.msgpack.Decoder(item) for name, item in streams.items()},
        result=msgspec.msgpack.Decoder(result if item is None else NoneType),
        items=None if item is None else msgspec.msgpack.Decoder(item),
        cancellable=cancellable,
    )


def _item(hint: Any) -> Any:
    """What a stream's annotation yields: Iterator[X], or a Protocol whose `__iter__` does. None: it is no stream."""
    if get_origin(hint) in _STREAMS:
        return get_args(hint)[0]
    if getattr(hint, "_is_protocol", False) and "__iter__" in vars(hint):
        return _item(get_type_hints(vars(hint)["__iter__"])["return"])
    return None


def _errors(module: Any) -> dict[str, type[Exception]]:
    own = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Exception)]
    return {each.__name__: each for each in (*_KERNEL_ERRORS, BadCall, Superseded, *own)}


def _text(value: object) -> str:
    # What a program printed may hold bytes that are no text (lone surrogates); its failure must be sent all the same.
    return str(value).encode("utf-8", "replace").decode()


def _plain_fields(error: BaseException) -> dict[str, Any]:
    fields = {name: _text(value) if isinstance(value, str) else value for name, value in vars(error).items()}
    return {name: value for name, value in fields.items() if not name.startswith("_") and _is_plain(value)}


def _is_plain(value: object) -> bool:
    try:
        encode(value)
    except (TypeError, OverflowError, ValueError):
        return False
    return True
