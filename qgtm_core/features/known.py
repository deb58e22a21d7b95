"""What is known at one session: PIT tables cut once, and the rows of a symbol or a series looked up once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from qgtm_core.pit import cut
from qgtm_core.schemas.pit import PIT_TABLES

# The column that tells the histories of a long table apart
OWNER = {"prices": "symbol", "macro": "series_id"}
_UNREAD = ("retrieved_at", "source")


class Known(Mapping[str, pl.DataFrame]):
    """PIT tables as known at a session, and what several feature tables look up in them.

    One is made for the computation of one feature table or of many; nothing in it depends on which. An absent table
    counts as empty. Tables that a feature did not declare are not in its view.
    """

    __slots__ = ("_cut", "_last", "_names", "_owners", "_pit", "_rows")

    def __init__(self, pit: Mapping[str, pl.DataFrame], last: dt.date) -> None:
        self._pit, self._last = pit, last
        self._names: tuple[str, ...] = tuple(PIT_TABLES)
        self._cut: dict[str, pl.DataFrame] = {}
        self._owners: dict[str, pl.Series] = {}
        self._rows: dict[tuple[str, str], pl.DataFrame] = {}

    def only(self, names: Sequence[str]) -> Known:
        """The same with some tables only; what either looks up is there for both."""
        view = Known(self._pit, self._last)
        view._names = tuple(names)
        view._cut, view._owners, view._rows = self._cut, self._owners, self._rows
        return view

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._cut:
            self._cut[name] = cut(self._pit[name], self._last) if name in self._pit else PIT_TABLES[name].empty()
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def rows(self, table: str, name: str) -> pl.DataFrame:
        """All revisions of one symbol or series, by day, without the columns that no feature reads."""
        frame = self[table]
        if (table, name) not in self._rows:
            if table not in self._owners:
                self._owners[table] = frame[OWNER[table]].cast(pl.Categorical)
            found = frame.drop(_UNREAD, strict=False).filter(self._owners[table] == name)
            self._rows[table, name] = found.sort("event_date", maintain_order=True)
        return self._rows[table, name]


def rows_of(pit: Mapping[str, pl.DataFrame], table: str, *names: str) -> pl.DataFrame:
    """All revisions of some symbols or series of a PIT table, each by day."""
    if isinstance(pit, Known):
        return pl.concat([pit.rows(table, name) for name in names])
    return pit[table].filter(pl.col(OWNER[table]).is_in(names)).sort("event_date", maintain_order=True)


def price_rows(pit: Mapping[str, pl.DataFrame], *symbols: str) -> pl.DataFrame:
    """All revisions of the bars of some symbols."""
    return rows_of(pit, "prices", *symbols)


def macro_rows(pit: Mapping[str, pl.DataFrame], *series: str) -> pl.DataFrame:
    """All revisions of the observations of some series."""
    return rows_of(pit, "macro", *series)
