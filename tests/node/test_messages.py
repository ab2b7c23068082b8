"""Every message survives its encoding; nothing else is taken for one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stackyard.kernel.nodes import CallId
from stackyard.node import messages
from stackyard.node.messages import (
    Ack,
    Call,
    Cancel,
    Chunk,
    Close,
    End,
    Error,
    Event,
    Failure,
    Hello,
    HostFacts,
    Message,
    Result,
)

words = st.text(max_size=20)
numbers = st.integers(0, 2**63 - 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | words | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
values = plain.map(messages.raw)
failures = st.builds(
    Failure, words, st.lists(words, max_size=3), st.dictionaries(words, plain, max_size=3), st.booleans()
)
calls = st.none() | st.builds(CallId, operation=words, step=words, epoch=numbers)
facts = st.builds(HostFacts, hostname=words, cpus=numbers, labels=st.dictionaries(words, words, max_size=3))
named = st.dictionaries(words, values, max_size=3)
every_kind = {
    Hello: st.builds(Hello, words, facts, st.dictionaries(words, named, max_size=3)),
    Call: st.builds(Call, numbers, words, words, named, st.dictionaries(words, numbers), calls, st.booleans()),
    Result: st.builds(Result, numbers, values, st.none() | numbers),
    Error: st.builds(Error, numbers, failures),
    Cancel: st.builds(Cancel, numbers),
    Chunk: st.builds(Chunk, numbers, values),
    Ack: st.builds(Ack, numbers, numbers),
    End: st.builds(End, numbers, st.none() | failures),
    Close: st.builds(Close, numbers),
    Event: st.builds(Event, words, values),
}


def test_every_kind_of_message_is_tried() -> None:
    assert set(every_kind) == set(Message.__args__)


@given(st.one_of(*every_kind.values()))
def test_a_message_is_the_same_after_its_journey(message: Message) -> None:
    again = messages.decode(messages.encode(message))
    assert again == message
    assert type(again) is type(message)


@given(st.binary(max_size=100))
@example(b"\x91\xa1\x80")
def test_noise_on_the_wire_is_malformed_and_nothing_worse(noise: bytes) -> None:
    try:
        messages.decode(noise)
    except messages.MALFORMED:
        return


@pytest.mark.parametrize("frame", [b"", messages.encode(["call", 1]), messages.encode({"kind": "call"}), b"\xc1"])
def test_a_truncated_or_foreign_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(messages.MALFORMED):
        messages.decode(frame)
