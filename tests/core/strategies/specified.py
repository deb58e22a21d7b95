"""What each strategy must declare: number, category, status, computation, horizon, warm-up, capacity, parameters.

Parameter names and defaults are normative; a strategy may name more of its numbers than these.
Computation: d daily, w weekly, m monthly, e event, i intraday. Horizon in sessions (bars for i).
"""

from __future__ import annotations

from typing import Any

SPECIFIED: dict[str, tuple[tuple[int, str, str, str, int, int, str], dict[str, Any]]] = {
    "real_rate_gold": (
        (1, "macro", "PAPER", "d", 20, 566, "High"),
        {"k": [5, 20, 60], "w": [0.2, 0.5, 0.3], "w_trend": 0.8, "w_level": 0.2, "win": 504, "z0": 2.0},
    ),
    "gold_real_rate_residual": (
        (2, "macro", "PAPER", "d", 30, 504, "High"),
        {"win": 504, "r2_min": 0.3, "hl": [5, 120], "adf_max": -3.45, "dead": 1.0, "full": 2.5, "r2_full": 0.6},
    ),
    "gold_druckenmiller_delta": (
        (3, "macro", "PAPER", "d", 40, 567, "High"),
        {"k2y": 63, "win": 504, "liq_weeks": 13, "liq_win": 156, "w": [0.5, 0.3, 0.2]},
    ),
    "gold_yield_curve_steepener": (
        (4, "macro", "PAPER", "d", 40, 564, "Med"),
        {"k": 60, "win": 504, "bull_steep": 1.0, "bear_steep": 0.5, "bear_flat": 1.0, "bull_flat": 0.25},
    ),
    "gold_geopolitical_risk": (
        (5, "macro", "PAPER", "d", 15, 845, "Med"),
        {
            "fast": 7,
            "slow": 90,
            "w_threat": 0.6,
            "w_act": 0.4,
            "win": 756,
            "dead": 0.5,
            "full": 2.5,
            "slv": 0.4,
            "q": 0.8,
        },
    ),
    "dxy_gold": (
        (6, "macro", "PAPER", "d", 20, 312, "High"),
        {"k": [20, 60], "win": 252, "rho_win": 126, "rho_gate": -0.1, "rho_full": -0.4},
    ),
    "breakeven_inflation_gold": (
        (7, "macro", "PAPER", "d", 20, 312, "High"),
        {"k": [20, 60], "w": [0.6, 0.4], "win": 252, "damp": 0.5},
    ),
    "central_bank_gold": (
        (8, "macro", "PAPER", "m", 60, 60, "Low"),
        {"sum_m": 3, "win_m": 60, "streak_m": 6, "w": [0.7, 0.3], "q": 0.7},
    ),
    "vix_haven": (
        (9, "macro", "PAPER", "e", 15, 252, "Med"),
        {"pr_min": 0.8, "ret_days": 5, "ret_max": -0.02, "ret_full": 0.06, "decay": 15},
    ),
    "gold_vix_haven": (
        (10, "macro", "PAPER", "d", 10, 252, "Med"),
        {"win": 252, "rho_win": 63, "rho_full": 0.3, "q_floor": 0.3},
    ),
    "gold_bitcoin_regime": (
        (11, "macro", "PAPER", "d", 10, 385, "Med"),
        {"rho_win": 60, "rho_full": 0.3, "k": 20, "win": 252, "cap": 0.6, "q": 0.6},
    ),
    "tsmom": (
        (12, "momentum", "PAPER", "m", 21, 273, "High"),
        {"look": 252, "com": 60, "vol_target": 0.15, "min_symbols": 3},
    ),
    "xsmom": (
        (13, "momentum", "PAPER", "m", 21, 253, "High"),
        {"look": 252, "skip": 21, "min_symbols": 3},
    ),
    "overnight_gold": (
        (14, "momentum", "DEAD", "d", 1, 61, "Med"),
        {"win": 60, "t_full": 2.0, "cost_mult": 2.0, "cost_add_bp": 1.0, "q": 0.5},
    ),
    "carver_trend": (
        (15, "momentum", "PAPER", "d", 40, 320, "High"),
        {
            "speeds": [[16, 64], [32, 128], [64, 256]],
            "scalars": [3.75, 2.65, 1.87],
            "fdm": 1.07,
            "cap": 20,
            "vol_span": 35,
            "buffer": 0.1,
        },
    ),
    "carver_carry": (
        (16, "momentum", "PAPER", "d", 60, 100, "Low"),
        {"scalar": 30, "span": 90, "cap": 20},
    ),
    "gold_tsmom": (
        (17, "momentum", "PAPER", "w", 10, 273, "High"),
        {"horizons": [21, 63, 126, 252]},
    ),
    "gold_day_of_week": (
        (18, "momentum", "PAPER", "d", 1, 750, "High"),
        {"win": 750, "t_min": 1.5, "shrink": 100, "t_full": 3.0, "q": 0.5},
    ),
    "gold_multi_ma_trend": (
        (19, "momentum", "PAPER", "d", 20, 210, "High"),
        {"ma": [20, 50, 100, 200], "band": 0.005, "slope_days": 10},
    ),
    "gold_silver_ratio": (
        (20, "mr", "DEAD", "d", 40, 252, "Med"),
        {"win": 252, "z_in": 2.0, "z_out": 0.5, "z_stop": 4.0, "hl": [5, 90], "full": 3.0, "q": 0.5},
    ),
    "miners_vs_metal": (
        (21, "mr", "DEAD", "d", 20, 252, "Med"),
        {"win": 252, "adf_max": -3.05, "z_in": 2.0, "z_out": 0.5, "z_stop": 4.0, "full": 3.0, "r2_full": 0.7},
    ),
    "kalman_pairs": (
        (22, "mr", "PAPER", "d", 10, 252, "High"),
        {"delta": 0.0001, "v": 0.001, "z_min": 1.0, "z0": 2.0},
    ),
    "gold_platinum": (
        (23, "mr", "DEAD", "w", 60, 756, "Med"),
        {"win": 756, "dead": 1.5, "full": 3.0, "q": 0.4},
    ),
    "pairs_mr": (
        (24, "mr", "PAPER", "d", 20, 253, "High"),
        {"formation": 252, "top": 5, "entry": 2.0, "full": 3.0, "max_hold": 20, "adf_max": -3.34},
    ),
    "gold_royalty_divergence": (
        (25, "mr", "PAPER", "w", 30, 315, "Med"),
        {"beta_win": 252, "sum": 60, "win": 252, "dead": 1.0, "full": 2.5},
    ),
    "gold_miner_aisc_margin": (
        (26, "mr", "PAPER", "w", 60, 756, "Med"),
        {"win": 756, "dead": 0.75, "full": 2.5, "r2_full": 0.5, "age_full": 240, "min_issuers": 2},
    ),
    "gold_phys_premium": (
        (27, "mr", "PAPER", "d", 15, 252, "Med"),
        {"win": 252, "w_dir": 0.0, "pi_max": 0.05},
    ),
    "etf_flow_pm": (
        (28, "flow", "PAPER", "d", 15, 272, "Med"),
        {"k": 20, "win": 252, "q_derived": 0.6},
    ),
    "gold_etf_flow": (
        (29, "flow", "DEAD", "d", 10, 257, "Med"),
        {"k": 5, "win": 252, "dead": 1.5, "full": 3.0, "q": 0.8},
    ),
    "cot_precious": (
        (30, "flow", "PAPER", "w", 15, 156, "Med"),
        {"win_w": 156, "dead": 1.0, "full": 2.5, "q_backlog": 0.5},
    ),
    "hedging_pressure": (
        (31, "flow", "PAPER", "m", 60, 104, "Med"),
        {"mean_w": 52, "full": 1.5, "min_metals": 3},
    ),
    "sge_withdrawals": (
        (32, "flow", "PAPER", "m", 40, 48, "Low"),
        {"win_m": 36, "q": 0.6},
    ),
    "gold_mint_sales": (
        (33, "flow", "PAPER", "m", 40, 60, "Low"),
        {"win_m": 60, "ret_days": 63, "ret_full": 0.1, "cap": 0.6, "floor_oz": 1000, "q": 0.5},
    ),
    "gold_sge_premium": (
        (34, "flow", "PAPER", "d", 15, 252, "Low"),
        {"smooth": 5, "win": 252, "q": 0.7},
    ),
    "gold_comex_squeeze": (
        (35, "flow", "PAPER", "d", 15, 273, "Med"),
        {"k": 20, "win": 252, "w": [0.6, 0.4], "x_min": 1.0, "full": 2.5, "lot": 100},
    ),
    "silver_comex_squeeze": (
        (36, "flow", "PAPER", "d", 15, 273, "Med"),
        {"k": 20, "win": 252, "w": [0.5, 0.3, 0.2], "x_min": 1.25, "full": 2.5, "lot": 5000},
    ),
    "gold_lbma_fix_anomaly": (
        (37, "flow", "PAPER", "d", 5, 21, "Med"),
        {"win": 20, "t_full": 3.0, "cap": 0.5, "q": 0.5},
    ),
    "vol_risk_parity": (
        (38, "vol", "PAPER", "w", 21, 126, "High"),
        {"lam": 0.97, "corr_win": 126, "vol_target": 0.12, "use_erc": False, "min_symbols": 3},
    ),
    "vol_risk_premium_pm": (
        (39, "vol", "PAPER", "d", 20, 273, "Med"),
        {"rv": 21, "win": 252, "cap": 0.5, "q": 0.6},
    ),
    "vol_term_structure_pm": (
        (40, "vol", "PAPER", "d", 10, 315, "Med"),
        {"short": 10, "long": 60, "win": 252, "cap": 0.5, "q": 0.7},
    ),
    "gamma_scalp_pm": (
        (41, "vol", "PAPER", "d", 21, 30, "High"),
        {"tenor": 21, "rv": 5, "margin": 1.1, "q": 0.6},
    ),
    "skew_trades": (
        (42, "vol", "PAPER", "m", 21, 253, "Med"),
        {"win": 252, "min_symbols": 3},
    ),
    "tail_hedge_pm": (
        (43, "vol", "PAPER", "d", 20, 1252, "Med"),
        {"win": 1000, "u_q": 0.95, "es_q": 0.99, "med_win": 252, "cap": 0.3, "span": 0.5, "budget_bp": 50},
    ),
    "gold_options_skew": (
        (44, "vol", "PAPER", "d", 10, 136, "Med"),
        {"k": 10, "win": 126, "w_mom": 0.6, "w_rev": 0.4, "dead": 1.5, "full": 3.0, "tenor_d": 30},
    ),
    "gold_vol_term_structure": (
        (45, "vol", "PAPER", "d", 10, 126, "Med"),
        {"win": 126, "cap": 0.5, "far_d": 90, "q": 0.7},
    ),
    "seasonality_pm": (
        (46, "seasonal", "DEAD", "m", 21, 2520, "Med"),
        {"t_min": 1.5, "t_full": 3.0, "q": 0.3},
    ),
    "levered_etf_decay": (
        (47, "seasonal", "PAPER", "w", 30, 64, "Med"),
        {"vol_win": 63, "edge_full": 0.06, "cap": 0.5, "t_max": 1.5, "fee": 0.0095},
    ),
    "event_drift_pm": (
        (48, "seasonal", "PAPER", "e", 1, 24, "Low"),
        {"n_min": 24, "t_min": 1.5, "t_full": 3.0, "cap": 0.6, "q": 0.7},
    ),
    "gold_seasonal_demand": (
        (49, "seasonal", "PAPER", "d", 20, 0, "Med"),
        {
            "lny": [5, 40, 0.5],
            "lny_after": [-20, -1, -0.2],
            "diwali": [3, 30, 0.4],
            "akshaya": [0, 15, 0.2],
            "wedding": 0.1,
            "summer": -0.2,
            "q": 0.5,
        },
    ),
    "gc_term_structure": (
        (50, "carry", "PAPER", "m", 21, 756, "Low"),
        {"look": 252, "sd_win": 504, "z0": 2.0},
    ),
    "cross_carry": (
        (51, "carry", "PAPER", "w", 30, 5, "Low"),
        {"median_d": 5, "min_metals": 3},
    ),
    "backwardation_stress": (
        (52, "carry", "PAPER", "d", 15, 3, "Low"),
        {"lease_lo": 0.005, "lease_span": 0.015, "w_lease": 0.7, "w_inv": 0.3, "inv_tol": 0.0005, "inv_days": 3},
    ),
    "gold_silver_ratio_intraday": (
        (53, "intraday", "PAPER", "i", 13, 130, "Med"),
        {"bar": "15m", "win": 130, "z_in": 2.0, "z_out": 0.5, "z_stop": 3.5, "full": 3.0, "q": 0.7},
    ),
    "vwap_reversion_intraday": (
        (54, "intraday", "PAPER", "i", 12, 78, "Med"),
        {
            "bar": "5m",
            "win": 78,
            "min_bars": 9,
            "z_in": 2.0,
            "z_stop": 4.0,
            "full": 4.0,
            "trend_bars": 12,
            "trend_sd": 1.5,
            "q": 0.7,
        },
    ),
    "gold_gamma_scalp": (
        (55, "intraday", "PAPER", "i", 78, 6, "Med"),
        {"bar": "5m", "strike_time": "10:00", "margin": 1.15, "rehedge": 0.1, "q": 0.6},
    ),
    "mvg_v1": (
        (56, "intraday", "DEAD", "i", 4, 260, "Med"),
        {"bar": "30m", "sum": 3, "z_in": 2.0, "full": 3.0, "q": 0.3, "flag": "QGTM_ENABLE_MVG"},
    ),
    "comex_warehouse": (
        (57, "research", "RESEARCH", "w", 40, 312, "Low"),
        {"k": 60, "win": 252, "cap": 0.5, "q": 0.6},
    ),
    "cot_positioning": (
        (58, "research", "RESEARCH", "w", 20, 156, "Med"),
        {"win_w": 156, "dead": 0.6, "full": 1.0, "q": 0.8},
    ),
    "inventory_surprise": (
        (59, "research", "RESEARCH", "e", 2, 312, "Low"),
        {"years": 5, "z0": 2.0, "w_gld": 0.15, "max_age": 2, "q": 0.5},
    ),
    "regime_classifier_pm": (
        (60, "research", "RESEARCH", "d", 10, 1260, "High"),
        {"states": 3, "m": [0.6, 0.0, 0.4], "hazard": 0.004, "cp_runs": 10, "cp_max": 0.5},
    ),
    "ml_ensemble": (
        (61, "research", "RESEARCH", "d", 5, 1500, "High"),
        {"w": [0.5, 0.25, 0.25], "pt": 1.5, "sl": 1.5, "h": 5, "embargo": 21, "cov_min": 0.9},
    ),
    "meta_labeller_pm": (
        (62, "research", "RESEARCH", "d", 0, 500, "High"),
        {"keep": 0.55, "reject": 0.45, "reduce_mult": 0.5, "max_age_d": 31, "q_floor": 0.2},
    ),
    "si_term_structure": (
        (63, "research", "RESEARCH", "m", 21, 756, "Low"),
        {"look": 252, "sd_win": 504, "sd_floor": 0.002, "z0": 2.0},
    ),
    "fix_dislocation": (
        (64, "research", "RESEARCH", "i", 24, 60, "Med"),
        {"win": 60, "dead": 1.5, "full": 3.0, "max_min": 120, "q": 0.6},
    ),
    "precious_metals": (
        (65, "research", "RESEARCH", "d", 20, 0, "Med"),
        {
            "w": {
                "gold_macro_regime": 0.3,
                "gold_momentum_mr": 0.25,
                "silver_industrial": 0.2,
                "miners_leverage": 0.15,
                "gold_seasonality": 0.1,
            },
            "min_children": 3,
        },
    ),
    "gold_macro_regime": (
        (66, "research", "RESEARCH", "w", 40, 61, "High"),
        {"k": 60, "w": [0.4, 0.3, 0.2, 0.1], "bands": [0.1, 0.01, 0.1, 0.25]},
    ),
    "gold_seasonality": (
        (67, "research", "RESEARCH", "m", 21, 0, "High"),
        {"months": [9, 11], "value": 0.5, "q": 0.4},
    ),
    "gold_momentum_mr": (
        (68, "research", "RESEARCH", "d", 10, 273, "High"),
        {"look": 252, "skip": 21, "rev": 5, "w": [0.7, 0.3]},
    ),
    "silver_industrial": (
        (69, "research", "RESEARCH", "w", 40, 313, "Med"),
        {"k": 60, "win": 252, "w": [0.6, 0.25, 0.15], "ip_win_m": 36, "gld_hedge": 0.5},
    ),
    "miners_leverage": (
        (70, "research", "RESEARCH", "w", 30, 252, "Med"),
        {"win": 252, "min_side": 60, "span": 0.5, "gdxj": 0.5, "r2_full": 0.6},
    ),
    "covered_call_writer": (
        (71, "options", "RESEARCH", "d", 30, 273, "Med"),
        {"dte": [30, 45], "delta": 0.28, "base": 0.5, "slope": 0.25, "t_cut": 1.5, "t_mult": 0.5, "event_days": 2},
    ),
    "cash_secured_put": (
        (72, "options", "RESEARCH", "d", 30, 273, "Med"),
        {"dte": [30, 45], "delta": -0.25, "base": 0.5, "slope": 0.25, "t_min": -1.0, "ivr_min": 0.3},
    ),
    "vrp_harvester": (
        (73, "options", "RESEARCH", "d", 30, 273, "Med"),
        {
            "dte": [30, 45],
            "short_delta": 0.2,
            "wing_delta": 0.08,
            "z_lo": 0.25,
            "z_span": 1.75,
            "hedge_delta": 0.1,
            "event_days": 5,
        },
    ),
    "gold_collar": (
        (74, "options", "RESEARCH", "d", 60, 252, "Med"),
        {"dte": 60, "put_delta": -0.25, "call_delta_max": 0.3, "w": [0.5, 0.5]},
    ),
    "silver_ratio_spread": (
        (75, "options", "RESEARCH", "d", 30, 252, "Low"),
        {"dte": [30, 45], "delta": 0.25, "base": 0.6, "t_div": 2.5, "ivr_full": 0.5},
    ),
    "event_straddle": (
        (76, "options", "RESEARCH", "e", 2, 24, "Low"),
        {"ratio_min": 1.1, "span": 0.5, "n_min": 24, "q": 0.6},
    ),
}
