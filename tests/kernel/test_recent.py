"""What is kept in memory stays small, and what is in use stays in it."""

from stackyard.kernel.recent import Recent


def test_more_than_so_much_is_never_kept() -> None:
    recent: Recent[int, str] = Recent(10)
    for number in range(1000):
        recent.put(number, str(number))
        assert len(recent) <= 10
        assert recent.get(number) == str(number)


def test_what_was_asked_for_last_outlives_what_nobody_asks_for() -> None:
    recent: Recent[str, int] = Recent(10)
    recent.put("in use", 1)
    recent.put("forgotten", 2)
    for number in range(20):
        recent.put(f"passing {number}", number)
        assert recent.get("in use") == 1
    assert recent.get("forgotten") is None


def test_a_value_takes_the_place_of_the_earlier_one_of_its_key() -> None:
    recent: Recent[str, int] = Recent(4)
    recent.put("it", 1)
    recent.put("other", 2)  # now both are in the older half
    recent.put("it", 3)
    assert recent.get("it") == 3
    assert len(recent) == 2
