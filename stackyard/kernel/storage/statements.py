"""Statements that are compiled once and then run on the driver itself, and rows as records.

SQLAlchemy works out for every execution what is the same each time: the cache key of the expression, its parameters,
its result's columns. That costs several times what SQLite takes to answer. A `Statement` keeps it, so that what is
asked for with every request costs little more than the driver. What is rare is executed by SQLAlchemy as ever.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

Values = Mapping[str, Any]
_Convert = Callable[[Any], Any]


class Record(dict[str, Any]):
    """A row: a dict whose keys can also be read as attributes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Statement:
    """A statement of SQLAlchemy's, to be run often. What it is to be run with is named by `parameter`s; a list of
    columns makes it an insert or update that sets them. `rare`: it may never be run again, so that it is not worth
    compiling before its second run."""

    def __init__(self, expression: Executable, *, sets: Sequence[str] | None = None, rare: bool = False) -> None:
        self.expression: Any = expression
        self._rare = rare
        self._sets = sets
        self._compiled: dict[str, Compiled] = {}

    def pays(self) -> bool:
        """Whether it is to be compiled. Asked once for each run."""
        pays, self._rare = not self._rare, False
        return pays

    def on(self, dialect: sa.Dialect) -> "Compiled":
        """Its form for one kind of database."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = Compiled(self.expression, dialect, self._sets)
        return found


def parameter(name: str, kind: Any = None) -> Any:
    """A place in a Statement that a value is given for when it is run; kind: the column's type, where it is not known
    from what the parameter is compared with."""
    return sa.bindparam(name, type_=kind, required=False)


class Compiled:
    """A statement's text, how its parameters are bound and what its rows are."""

    def __init__(self, expression: Any, dialect: sa.Dialect, sets: Sequence[str] | None) -> None:
        compiled: Any = expression.compile(
            dialect=dialect, column_keys=sets, compile_kwargs={"render_postcompile": sets is None}
        )
        self._dialect = dialect
        self._types = [each.type for each in getattr(expression, "selected_columns", ())]
        self.text = str(compiled)
        places = list(_places(compiled, dialect, sets or ()))
        self._wanted = [(each.name, each.constant) for each in places]
        self._converted = [(number, each.name, each.convert) for number, each in enumerate(places) if each.convert]
        self._called = [each.called for each in places]
        self._by_name = not compiled.positional
        self._names: tuple[str, ...] = ()
        self._conversions: list[tuple[str, _Convert]] | None = None

    def run(self, cursor: Any, values: Values) -> Any:
        """Execute it on a cursor of the driver's; the cursor with the result."""
        bound = [values.get(name, constant) for name, constant in self._wanted]
        for place, name, convert in self._converted:
            if name in values:
                bound[place] = convert(bound[place])
        return cursor.execute(self.text, dict(zip(self._called, bound)) if self._by_name else bound)  # noqa: B905  alike

    def records(self, cursor: Any, rows: Iterable[Sequence[Any]]) -> list[Record]:
        """Rows of the cursor as records, their values in Python's form."""
        conversions = self._conversions
        if conversions is None:
            conversions = self._read_description(cursor.description)
        names = self._names
        records = [Record(zip(names, row)) for row in rows]  # noqa: B905  the driver's rows are as wide as they are
        for name, convert in conversions:
            for each in records:
                each[name] = convert(each[name])
        return records

    def value(self, cursor: Any, row: Sequence[Any]) -> Any:
        """The first value of a row of the cursor, in Python's form."""
        conversions = self._conversions
        if conversions is None:
            conversions = self._read_description(cursor.description)
        if conversions and conversions[0][0] == self._names[0]:
            return conversions[0][1](row[0])
        return row[0]

    def _read_description(self, description: Sequence[Any]) -> list[tuple[str, _Convert]]:
        """Names and conversions; drivers tell a column's type only with a result."""
        self._names = tuple(each[0] for each in description)
        found = [
            (told[0], kind.dialect_impl(self._dialect).result_processor(self._dialect, told[1]))
            for told, kind in zip(description, self._types, strict=True)
        ]
        self._conversions = [(name, convert) for name, convert in found if convert is not None]
        return self._conversions


@dataclass(frozen=True)
class _Place:
    """A parameter: its name, what the text calls it, how it is converted, and its value unless one is given."""

    name: str
    called: str
    convert: _Convert | None
    constant: Any


def _places(compiled: Any, dialect: sa.Dialect, sets: Sequence[str]) -> Iterator[_Place]:
    """Every parameter in the order of the text."""
    kinds = {name: each.type for name, each in compiled.binds.items()}
    called = compiled.escaped_bind_names
    names = {other: name for name, other in called.items()}
    in_order = compiled.positiontup if compiled.positional else [names.get(each, each) for each in compiled.params]
    for name in in_order:
        # A list's items are called after the list: <name>_1, <name>_2.
        kind = kinds[name if name in kinds else name.rpartition("_")[0]]
        convert = kind.dialect_impl(dialect).bind_processor(dialect)
        constant = None if name in sets else compiled.params[called.get(name, name)]
        converted = convert(constant) if convert and constant is not None else constant
        yield _Place(name, called.get(name, name), convert, converted)


# -- the plain statements on a table, made once for each set of columns --


@lru_cache(2000)
def select_by(source: sa.Table, names: tuple[str, ...], missing: frozenset[str]) -> Statement:
    """The rows whose columns equal the parameters of their names; those `missing` are null."""
    return Statement(sa.select(source).where(*_equal(source, names, missing)))


@lru_cache(2000)
def insert_into(source: sa.Table, names: tuple[str, ...]) -> Statement:
    """One row with these columns."""
    return Statement(sa.insert(source).inline(), sets=names)


@lru_cache(2000)
def update_by(source: sa.Table, sets: tuple[str, ...], names: tuple[str, ...], missing: frozenset[str]) -> Statement:
    """Sets columns of the rows whose columns equal the parameters `its_<name>`."""
    return Statement(sa.update(source).where(*_equal(source, names, missing, "its_")), sets=sets)


@lru_cache(2000)
def delete_by(source: sa.Table, names: tuple[str, ...], missing: frozenset[str]) -> Statement:
    """Deletes the rows whose columns equal the parameters of their names."""
    return Statement(sa.delete(source).where(*_equal(source, names, missing)))


def _equal(source: sa.Table, names: Iterable[str], missing: frozenset[str], prefix: str = "") -> list[Any]:
    columns = source.c
    return [
        columns[name].is_(None) if name in missing else columns[name] == parameter(prefix + name, columns[name].type)
        for name in names
    ]
