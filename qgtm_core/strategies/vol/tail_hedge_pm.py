"""Insurance of the gold book: short gold when its modelled tail fattens and the others are net long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import EVERY, Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `win`, `u_q`, `es_q` and `med_win` are behind features/tail; `budget_bp` is for puts, which are not routed
PARAMS: Mapping[str, Any] = {
    "win": 1000,
    "u_q": 0.95,
    "es_q": 0.99,
    "med_win": 252,
    "cap": 0.3,
    "span": 0.5,
    "budget_bp": 50,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the cap, in proportion to the tail's excess over its usual size; GATE unless the others are long.

    The book is what the other daily strategies want of gold at this very decision: the sum of score times confidence.
    """
    size = over(pl.col("es_99_ratio") - 1.0, params["span"]).clip(0.0, 1.0)
    voices = [name.removeprefix("score@") for name in panel.columns if name.startswith("score@")]
    wanted = pl.sum_horizontal(pl.lit(0.0), *(pl.col(f"score@{v}") * pl.col(f"confidence@{v}") for v in voices))
    return panel.select(
        score=-params["cap"] * size,
        quality=pl.lit(1.0),
        reason=pl.when(wanted <= 0.0).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="tail_hedge_pm",
    number=43,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(Input("tail", ("es_99_ratio",), name="gld", warmup=1252, data=("prices[symbol=GLD].adj_close",)),),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD-", "VOL+"),
    source="Bhansali 2014; Israelov 2019 on its cost",
    rationale="Insurance of the precious-metals book, bought when the modelled tail is fatter than usual.",
    formula="score = -0.3 * clip((ES_99 / median_252(ES_99) - 1) / 0.5, 0, 1) while the others are net long gold",
    consumes=(EVERY,),
    differs={
        "gold_collar": "answers a fat modelled tail by selling gold; that one is a pair of options on shares held"
    },
)
