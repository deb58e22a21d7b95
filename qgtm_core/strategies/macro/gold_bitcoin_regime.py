"""Gold and bitcoin: coupled, both follow liquidity; decoupled, they compete for the same hedge flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `win` names the window behind features/cross_asset.btc_zchg_20
PARAMS: Mapping[str, Any] = {
    "rho_win": 60,
    "rho_full": 0.3,
    "k": 20,
    "win": 252,
    "cap": 0.6,
    "q": 0.6,
    "z0": 2.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the trend of bitcoin with the sign and strength of its correlation with gold, capped."""
    coupling = over(pl.col(f"gld_btc_corr_{params['rho_win']}"), params["rho_full"]).clip(-1.0, 1.0)
    trend = lin(pl.col(f"btc_zchg_{params['k']}"), params["z0"])
    return panel.select(score=clip_score(params["cap"] * coupling * trend), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_bitcoin_regime",
    number=11,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "cross_asset",
            ("btc_zchg_20",),
            name="btc",
            warmup=385,
            data=("prices[symbol=BTC-USD].adj_close",),
        ),
        Input(
            "cross_asset",
            ("gld_btc_corr_60",),
            name="gld_btc",
            warmup=61,
            data=("prices[symbol=GLD].adj_close", "prices[symbol=BTC-USD].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("EQUITY±", "LIQ_CROWD+"),
    source="Klein, Thu & Walther 2018",
    rationale="Gold and bitcoin share hedge flows: what one gains the other loses, until liquidity moves both.",
    formula="k = clip(corr(r_GLD, r_BTC; 60) / 0.3, -1, 1); z = zchg(ln BTC, 20, 252); score = 0.6 k lin(z), "
    "on the UTC-day bars of New York sessions",
    differs={"dxy_gold": "bitcoin, with either sign of the correlation, not the dollar with a negative one only"},
)
