"""Feature tables of metal that enters and leaves exchange-traded trusts."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "flows",
        ("session", "symbol"),
        {
            **health("held_"),
            "held_tonnes": measure("tonnes", "the issuer's figure, else shares times ounces a share", low=0.0),
            "flow_20": measure("log change", "held tonnes over 20 observations"),
            "flow_20_z_252": measure("sd", "M2 of flow_20 over 252 observations"),
            "derived": Column(pl.Boolean, note="an end of flow_20 is shares times ounces a share"),
            **health("issuer_"),
            "issuer_flow_5": measure("log change", "the issuer's own tonnes over 5 observations"),
            "issuer_flow_5_z_252": measure("sd", "M2 of issuer_flow_5 over 252 observations"),
        },
        "Flows of metal by trust (GLD, SLV, PPLT, PALL); share volume is no flow and is not used",
    ),
)
