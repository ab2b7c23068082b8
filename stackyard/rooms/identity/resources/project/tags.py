"""Tags: short words on projects (and domains) by which lists can be narrowed."""

from stackyard.kernel.declare.kinds import ListOf, Text
from stackyard.kernel.declare.resource import Field

#: A tag holds neither comma nor slash, as it stands in queries and paths.
TAG = Text(min=1, max=255, pattern=r"[^,/]*")
MOST = 80


def tags_field() -> Field:
    """The tags of a project."""
    return Field(
        name="tags",
        kind=ListOf(TAG, max=MOST, unique=True),
        default=list,
        filter=False,
        sort=False,
        doc="Words for filters.",
    )
