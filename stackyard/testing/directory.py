"""What every driver of directories must pass, whichever directory is behind it.

A test module makes a subclass of `DirectoryConformance` and gives it a `kit` fixture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from stackyard.rooms.identity.driver import Away, Directory, Person

#: Names that would mean something else if they were pasted into a filter or a path.
ODD_NAMES = ("o'neil (ada)", "a*b", "back\\slash", "grüße", "comma, dot.")


@dataclass(frozen=True)
class Kit:
    """A driver under test over an empty directory, and how a test changes that."""

    directory: Directory
    reopen: Callable[[], Directory]
    """Another driver for the same directory, as another server has it."""
    put: Callable[[str, str], object]
    """put(name, password): somebody of that local id and name."""
    disable: Callable[[str], object]
    team: Callable[[str, list[str]], object]
    """team(name, members): a group of these people, new or changed."""
    remove: Callable[[str], object]
    """A person goes; groups may go on naming them."""
    stop: Callable[[], object]
    """The directory does not answer any more."""
    start: Callable[[], object]


def person(kit: Kit, name: str) -> Person:
    """Somebody who is there."""
    found = kit.directory.find(name=name)
    assert found is not None
    return found


class DirectoryConformance:
    """The suite."""

    def test_somebody_is_found_by_name_and_by_local_id_alike(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        found = person(kit, "ada")
        assert (found.name, found.local_id, found.enabled) == ("ada", "ada", True)
        assert kit.directory.find(local_id="ada") == found
        assert kit.reopen().find(name="ada") == found

    def test_who_is_not_there_is_nobody(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        assert kit.directory.find(name="bob") is None
        assert kit.directory.find(local_id="bob") is None

    def test_a_password_proves_its_owner_and_nobody_else(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        kit.put("bob", "other")
        assert kit.directory.prove(person(kit, "ada"), "secret")
        for wrong in ("other", "Secret", "secret ", "", "\x00", "s" * 5000):
            assert not kit.directory.prove(person(kit, "ada"), wrong), wrong
        assert not kit.directory.prove(None, "secret")

    def test_a_changed_password_is_the_one_that_proves(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        kit.put("ada", "changed")
        assert kit.directory.prove(person(kit, "ada"), "changed")
        assert not kit.directory.prove(person(kit, "ada"), "secret")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_a_name_may_hold_anything(self, kit: Kit, name: str) -> None:
        kit.put(name, "secret")
        assert kit.directory.prove(person(kit, name), "secret")
        kit.team("crew", [name])
        assert [each.name for each in kit.directory.teams_of(person(kit, name))] == ["crew"]

    @pytest.mark.parametrize("name", ["*", "a*", "ada)(uid=*", "\\61da", "(", ""])
    def test_a_name_is_no_question_of_its_own(self, kit: Kit, name: str) -> None:
        kit.put("ada", "secret")
        assert kit.directory.find(name=name) is None

    def test_who_is_disabled_is_shown_as_that(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        kit.disable("ada")
        assert not person(kit, "ada").enabled
        assert [each.enabled for each in kit.directory.everything().people] == [False]

    def test_groups_are_told_to_their_members(self, kit: Kit) -> None:
        for name in ("ada", "bob"):
            kit.put(name, "secret")
        kit.team("crew", ["ada", "bob"])
        kit.team("board", ["ada"])
        assert sorted(each.name for each in kit.directory.teams_of(person(kit, "ada"))) == ["board", "crew"]
        assert [each.name for each in kit.directory.teams_of(person(kit, "bob"))] == ["crew"]
        kit.team("crew", ["ada"])
        assert list(kit.directory.teams_of(person(kit, "bob"))) == []

    def test_everything_is_all_people_and_all_groups_with_the_people_in_them(self, kit: Kit) -> None:
        for name in ("ada", "bob"):
            kit.put(name, "secret")
        kit.team("crew", ["ada", "bob"])
        everything = kit.directory.everything()
        assert {each.local_id: each for each in everything.people} == {
            name: person(kit, name) for name in ("ada", "bob")
        }  # fmt: skip
        assert {each.local_id: list(each.members) for each in everything.teams} == {"crew": ["ada", "bob"]}

    def test_who_is_gone_is_in_no_group(self, kit: Kit) -> None:
        for name in ("ada", "bob"):
            kit.put(name, "secret")
        kit.team("crew", ["ada", "bob"])
        kit.remove("ada")
        everything = kit.directory.everything()
        assert [each.local_id for each in everything.people] == ["bob"]
        assert [list(each.members) for each in everything.teams] == [["bob"]]

    def test_away_is_said_and_over_when_it_is(self, kit: Kit) -> None:
        kit.put("ada", "secret")
        ada = person(kit, "ada")
        kit.stop()
        for question in (
            lambda: kit.directory.find(name="ada"), lambda: kit.directory.prove(ada, "secret"),
            lambda: kit.directory.teams_of(ada), kit.directory.everything,
        ):  # fmt: skip
            with pytest.raises(Away):
                question()
        kit.start()
        assert kit.directory.prove(person(kit, "ada"), "secret")
