"""Fields that several resources of this room have alike."""

from stackyard.kernel.declare.kinds import Anything, Boolean, Kind, MapOf, Nullable, Object, Text, invalid
from stackyard.kernel.declare.resource import NO_DEFAULT, Field, Internal
from stackyard.kernel.storage.database import Record

#: Items of a list that anybody may send: each is looked up, or made, while nobody else can write.
MOST = 500
#: At least one character that is not white space.
NOT_BLANK = r"(?s:.*\S.*)"
#: Ids are hexadecimal, but for the few that a person chose (`default`).
ID_PATTERN = r"[a-zA-Z0-9-]+"


def NamedBy(longest: int, *, index: bool = False) -> Field:
    """A name that is not blank. `index`: there are many, and clients look them up by it."""
    kind = Text(min=1, max=longest, pattern=NOT_BLANK)
    return Field(name="name", kind=kind, required=True, index=index, doc="A name for people.")


def Reference(name: str, doc: str, *, null: bool = True, required: bool = False) -> Field:
    """The id of another object."""
    return Field(
        name=name,
        kind=Text(min=1, max=64, pattern=ID_PATTERN),
        null=null,
        index=True,
        required=required,
        default=NO_DEFAULT if required else None,
        doc=doc,
    )


def Description() -> Field:
    """Free text about the object."""
    return Field(name="description", kind=Text(max=None), default="", null=True, doc="A description for people.")


def Enabled() -> Field:
    """Whether the object can be used; what is disabled stops working at once."""
    return Field(name="enabled", kind=Boolean(), default=True, doc="Whether the object can be used.")


def Options(**known: Kind) -> Field:
    """The options of the resource; null takes one away."""
    kinds = {name: Nullable(kind) for name, kind in known.items()}
    return Field(name="options", kind=Object(kinds), default=dict, filter=False, sort=False, doc="Options by name.")


def Immutable() -> Field:
    """Options of which there is one: `immutable` protects from change and deletion."""
    return Options(immutable=Boolean())


def Cascade() -> Field:
    """A query of deletes. Stackyard's own: Keystone deletes a project and leaves what it held to nobody."""
    return Field(
        name="cascade",
        kind=Boolean(),
        default=False,
        doc="Delete what the project (or the domain) holds in all services, and the projects below it, with it. It is "
        "disabled at once, and gone when all of that is.",
    )


def Extra() -> Field:
    """Attributes that the API does not know but keeps and shows, as Keystone does."""
    return Internal("extra", MapOf(Anything()))


def NothingElse() -> Field:
    """For resources that refuse what they do not know: gathers it, and `refuse_else` names it."""
    return Field(
        name="extra",
        kind=MapOf(Anything()),
        create=False,
        update=False,
        read=False,
        filter=False,
        sort=False,
        stored=False,
    )


def refuse_else(wanted: Record) -> None:
    """Raise BadRequest when the input had a member that the resource does not know."""
    for name in wanted.pop("extra", None) or {}:
        raise invalid(name, "is not known here: additional properties are not allowed.")
