"""Pictures for people: PNG bytes from result rows. matplotlib is imported where it draws."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import polars as pl

SOURCES = {
    "simulated": "SIMULATED market: made up, its results say nothing about real returns.",
    "archive": "Market data: archive of real history.",
}
HYPOTHETICAL = "Hypothetical results of simulated trading, after modelled costs; not a promise of anything."


def equity_png(sessions: pl.DataFrame, label: str) -> bytes:
    """Equity and drawdown of a backtest (`session, equity_usd`), oldest first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    days = sessions["session"].to_numpy()
    equity = sessions["equity_usd"]
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot(days, equity.to_numpy() / 1e6, color="#b8860b", linewidth=1.2)
    top.set_ylabel("equity, USD million")
    top.set_title(f"{label}: {days[0]} to {days[-1]}, {len(days)} sessions")
    top.grid(alpha=0.3)
    drawdown = (equity / equity.cum_max() - 1.0).to_numpy() * 100
    bottom.fill_between(days, drawdown, 0.0, color="#8b0000", alpha=0.5)
    bottom.set_ylabel("drawdown, %")
    bottom.grid(alpha=0.3)
    figure.supxlabel(HYPOTHETICAL, fontsize=7, color="#666666", x=0.01, ha="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def as_markdown(png: bytes, alt: str) -> str:
    """The picture as an inline image for asset metadata."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"


def write_picture(path: Path, png: bytes) -> str:
    """Keep a picture beside the data it shows; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    return str(path)
