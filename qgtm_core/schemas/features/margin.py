"""Feature table of the miners' margin."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "margin",
        ("session",),
        {
            **health("margin_"),
            "margin": measure("share of the gold price", "London PM price less cost, over the price", high=1),
            "margin_z_756": measure("sd", "newest residual of ln(GDX/GLD) on the log margin, M9 over 756 days"),
            "margin_r2_756": measure("share", "M9 over 756 days", low=0, high=1),
            **health("costs_"),
            "cost_age_days": measure("calendar days", "from the costs' filing to the session", low=0),
        },
        "Miners against gold and the all-in-sustaining-cost margin. One margin_ observation is a day with GDX, GLD, "
        "the London PM price and a cost. The cost of a day weighs by production the newest quarter each issuer had "
        "filed by then, at most 120 days before, two issuers at least; costs_obs counts the issuers known, and "
        "costs_event_at and costs_available_at are those of the second newest issuer: with one there is no cost",
    ),
)
