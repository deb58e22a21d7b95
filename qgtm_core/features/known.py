"""What is known at one session: PIT tables cut once, and the rows of a symbol or a series looked up once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from qgtm_core.pit import cut
from qgtm_core.schemas.pit import PIT_TABLES

# The column that tells the histories of a long table apart
OWNER = {"prices": "symbol", "macro": "series_id"}
FEW = 3  # histories that are found sooner one by one than by splitting the table
_UNREAD = ("retrieved_at", "source")


def usable_bars(view: pl.DataFrame) -> pl.DataFrame:
    """Bars of one symbol with finite, positive closes, by day, with `obs` counted."""
    price = pl.col("adj_close")
    good = price.is_finite() & (price > 0) & pl.col("close").is_finite()
    rows = view.filter(good).sort("event_date")
    return rows.with_columns(obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


class Histories:
    """The rows of a long table by owner: one pass over the table, then each history costs its own rows."""

    __slots__ = ("_edges", "_frame", "_order", "_place")

    def __init__(self, frame: pl.DataFrame, owner: str) -> None:
        names = frame[owner].unique().sort()
        codes = frame[owner].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.uint16)  # sorted by radix
        self._order = np.argsort(codes, kind="stable")
        self._edges = np.searchsorted(codes[self._order], np.arange(len(names) + 1))
        self._frame = frame.drop(_UNREAD, strict=False)
        self._place = {name: place for place, name in enumerate(names)}

    def of(self, name: str) -> pl.DataFrame:
        """All revisions of one owner, by day; none if there is no such owner."""
        if name not in self._place:
            return self._frame.clear()
        place = self._place[name]
        return _by_day(self._frame[self._order[self._edges[place] : self._edges[place + 1]]])


def _by_day(rows: pl.DataFrame) -> pl.DataFrame:
    if not rows["event_date"].is_sorted():
        return rows.sort("event_date", maintain_order=True)
    return rows.with_columns(pl.col("event_date").set_sorted())


class Known(Mapping[str, pl.DataFrame]):
    """PIT tables as known at a session, and what several feature tables look up in them.

    One is made for the computation of one feature table or of many; nothing in it depends on which. An absent table
    counts as empty. Tables that a feature did not declare are not in its view.
    """

    __slots__ = ("_bars", "_cut", "_histories", "_last", "_names", "_pit", "_rows")

    def __init__(self, pit: Mapping[str, pl.DataFrame], last: dt.date) -> None:
        self._pit, self._last = pit, last
        self._names: tuple[str, ...] = tuple(PIT_TABLES)
        self._cut: dict[str, pl.DataFrame] = {}
        self._histories: dict[str, Histories] = {}
        self._rows: dict[tuple[str, str], pl.DataFrame] = {}
        self._bars: dict[str, pl.DataFrame] = {}

    def only(self, names: Sequence[str]) -> Known:
        """The same with some tables only; what either looks up is there for both."""
        view = Known(self._pit, self._last)
        view._names = tuple(names)
        view._cut, view._histories, view._rows, view._bars = self._cut, self._histories, self._rows, self._bars
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
            self._rows[table, name] = self._find(frame, table, name)
        return self._rows[table, name]

    def _find(self, frame: pl.DataFrame, table: str, name: str) -> pl.DataFrame:
        if table not in self._histories:
            if sum(looked_up == table for looked_up, _ in self._rows) < FEW:
                return _by_day(frame.drop(_UNREAD, strict=False).filter(pl.col(OWNER[table]) == name))
            self._histories[table] = Histories(frame, OWNER[table])
        return self._histories[table].of(name)

    def bars(self, symbol: str, view: pl.DataFrame) -> pl.DataFrame:
        """Usable bars of a view of the rows of a symbol; looked up where the view is all of them."""
        if view is not self.rows("prices", symbol):
            return usable_bars(view)
        if symbol not in self._bars:
            self._bars[symbol] = usable_bars(view)
        return self._bars[symbol]


def bars_of(pit: Mapping[str, pl.DataFrame], symbol: str, view: pl.DataFrame) -> pl.DataFrame:
    """`usable_bars` of a view of the rows of a symbol."""
    return pit.bars(symbol, view) if isinstance(pit, Known) else usable_bars(view)


def rows_of(pit: Mapping[str, pl.DataFrame], table: str, *names: str) -> pl.DataFrame:
    """All revisions of some symbols or series of a PIT table, each by day."""
    if isinstance(pit, Known):
        parts = [pit.rows(table, name) for name in names]
        return parts[0] if len(parts) == 1 else pl.concat(parts)
    return pit[table].filter(pl.col(OWNER[table]).is_in(names)).sort("event_date", maintain_order=True)


def price_rows(pit: Mapping[str, pl.DataFrame], *symbols: str) -> pl.DataFrame:
    """All revisions of the bars of some symbols."""
    return rows_of(pit, "prices", *symbols)


def macro_rows(pit: Mapping[str, pl.DataFrame], *series: str) -> pl.DataFrame:
    """All revisions of the observations of some series."""
    return rows_of(pit, "macro", *series)
