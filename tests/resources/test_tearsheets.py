"""Tear sheets: what stands in the pages, that it stands there once, and that the pages need nothing but themselves."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.backtest.evidence.gates import GATES
from qgtm_core.backtest.evidence.judgement import Method
from qgtm_core.schemas.results import EVIDENCE_TABLE, METRICS_TABLE, PORTFOLIO
from qgtm_resources.pictures import HYPOTHETICAL
from qgtm_resources.tearsheets import figures
from qgtm_resources.tearsheets.charts import charts_of
from qgtm_resources.tearsheets.league import league
from qgtm_resources.tearsheets.months import monthly
from qgtm_resources.tearsheets.pages import TEMPLATES, write_tearsheets
from qgtm_resources.tearsheets.results import METHODS, records
from qgtm_resources.tearsheets.svg import area, extremes, line, nice_step, scale_of
from tests.evidence_rows import BAD, FIRST, GOOD, SILENT, results, sessions

ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "input", "link", "img"}
NOT_FIGURES = {"book", "session", "strategy_id", "status", "verdict", "failed", *figures.HASHES}


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counted: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.cells: dict[str, list[str]] = {}
        self.figure = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.counted[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.figure = dict(attrs).get("data-figure", "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.counted[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag
        self.figure = ""

    def handle_data(self, data):
        if self.figure:
            self.cells.setdefault(self.figure, []).append(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sheets")
    written = write_tearsheets(folder, results())
    assert written == {key: folder / f"{key}.html" for key in (PORTFOLIO, SILENT, BAD, GOOD)}
    texts = {key: path.read_text(encoding="utf-8") for key, path in written.items()}
    return {**texts, "index": (folder / "index.html").read_text(encoding="utf-8")}


def record(key: str, found=None):
    return next(r for r in records(found or results()) if r.id == key)


def test_every_figure_of_the_evidence_stands_in_the_sheet_once(pages):
    cells = Page(pages[GOOD]).cells
    wanted = set(EVIDENCE_TABLE.columns) - NOT_FIGURES
    assert wanted <= set(cells)
    assert {name: len(cells[name]) for name in cells} == dict.fromkeys(cells, 1)
    assert (cells["oos_sharpe"], cells["capacity_usd"], cells["trials"]) == (["1.25"], ["12.3 M"], ["12"])
    assert (cells["pbo"], cells["max_drawdown"], cells["first"]) == (["0.123"], ["8.80"], [str(FIRST)])


def test_every_figure_has_a_unit_beside_it_and_a_definition_on_hover():
    for _, lines in figures.groups_of(record(GOOD)):
        for told in lines:
            assert told.title, told.label
            assert told.unit or set(told.values) <= {"first", "last"}, told.label


def test_figures_of_the_metrics_table_that_the_evidence_lacks_are_shown_too(pages):
    others = set(METRICS_TABLE.columns) - {"book", "session", "name"}
    assert others <= set(Page(pages[GOOD]).cells)


def test_gates_stand_with_figure_limit_and_outcome(pages):
    for key, failing in ((GOOD, 0), (BAD, 4)):
        text = pages[key]
        assert (text.count("✓ passed"), text.count("✕ not passed")) == (len(GATES) - failing, failing)
    assert '<td class="num">0.212</td><td class="num">≥ 0.950</td>' in pages[BAD]
    assert "✕ FAIL" in pages[BAD]
    assert "4 of 5 gates not passed" in pages[BAD]


def test_a_gate_that_had_nothing_to_judge_does_not_apply():
    told = {
        line.column: line.outcome for line in figures.gate_lines({**record(GOOD).evidence, "pbo": None, "dsr": None})
    }
    assert (told["pbo"], told["dsr"], told["dsr_library"]) == ("does not apply", "not passed", "passed")


def test_a_strategy_without_data_says_what_is_missing_and_draws_nothing(pages):
    text = pages[SILENT]
    assert "no rows of &lt;withdrawals&gt;.tonnes" in text
    assert "<svg" not in text
    assert "data-figure" not in text
    assert "<h2>What it is</h2>" in text
    assert charts_of(record(SILENT)) == []


def test_the_legend_stands_at_the_top_and_at_the_bottom_of_every_page(pages):
    for text in pages.values():
        assert text.count(HYPOTHETICAL) == 2
        assert text.index(HYPOTHETICAL) < text.index("<h1>") < text.rindex(HYPOTHETICAL)


def test_pages_are_well_formed_and_load_nothing(pages):
    for key, text in pages.items():
        page = Page(text)
        assert "http" not in text.replace("http-equiv", ""), key
        assert not re.search(r"@import|url\(|<link|<img|<iframe", text)
        names = {name for _, name, _ in page.attributes}
        assert not {name for name in names if name.startswith("on") or name in {"style", "src"}}
        assert page.counted["script"] == (1 if key == "index" else 0)


def test_the_policy_of_a_page_allows_its_own_style_and_script_by_hash(pages):
    for text in pages.values():
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy is not None
        inline = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL)
        for own in inline:
            digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
            assert f"sha256-{digest}" in policy[1].replace("&#39;", "'").replace("&#43;", "+")
        assert policy[1].startswith("default-src &#39;none&#39;")


def test_a_sheet_of_eighteen_years_is_small(tmp_path):
    write_tearsheets(tmp_path, results(4650))
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 300_000


def test_charts_shade_what_is_in_sample_up_to_the_first_test():
    growth = charts_of(record(GOOD))[0]
    days = sessions(900)
    share = (days[756] - days[0]) / (days[-1] - days[0]) * 100.0
    shaded, free = growth.bands
    assert (shaded.css, free.css) == ("is", "oos")
    assert shaded.width == pytest.approx(share, abs=1e-3)
    assert [key.label for key in growth.keys] == ["before costs", "after costs", f"out of sample, from {days[756]}"]
    assert growth.keys[2].value == f"{((1.001**144) - 1) * 100:.1f} %"


def test_a_record_gets_every_chart_its_rows_can_fill():
    names = [chart.id for chart in charts_of(record(GOOD))]
    assert names == [
        "growth",
        "drawdown",
        "rolling",
        "exposure",
        "costs",
        "year",
        "regime",
        "folds",
        "paths",
        "capacity",
    ]
    bare = replace(results(), validation=results().validation.clear(), out_of_sample=results().out_of_sample.clear())
    assert [c.id for c in charts_of(record(GOOD, bare))] == names[:5]
    assert [c.id for c in charts_of(record(GOOD, replace(bare, strategy_returns=bare.strategy_returns.clear())))] == []


def test_costs_are_shown_by_kind_and_add_up():
    costs = next(chart for chart in charts_of(record(GOOD)) if chart.id == "costs")
    shown = {key.label: key.value for key in costs.keys}
    assert shown == {"spread": "1.80 %", "impact": "0.90 %", "commission and fees": "0.36 %", "borrow": "0.18 %"}


def test_returns_outside_the_sample_of_the_evidence_are_not_shown():
    days, found = sessions(900), results()
    cut = found.evidence.with_columns(first=pl.lit(days[100]), last=pl.lit(days[800]))
    shown = record(GOOD, replace(found, evidence=cut)).returns["session"]
    assert (shown[0], shown[-1], len(shown)) == (days[100], days[800], 701)


def test_months_compound_to_their_year_and_years_to_the_whole():
    own = record(GOOD).returns
    table = monthly(own["session"], own["return_1d"])
    for year in table:
        exact = [float(c.title.split(": ")[1].split(" %")[0].replace("−", "-")) for c in year.months if c.text]
        total = float(year.total.title.split(": ")[1].split(" %")[0].replace("−", "-"))
        assert np.prod([1 + r / 100 for r in exact]) - 1 == pytest.approx(total / 100, abs=8e-4)
    by_year = own.group_by(pl.col("session").dt.year()).agg((pl.col("return_1d") + 1).product() - 1).sort("session")
    assert [year.year for year in table] == by_year["session"].to_list()
    assert [year.total.text.replace("−", "-") for year in table] == [f"{r * 100:.1f}" for r in by_year["return_1d"]]


def test_cells_are_coloured_by_sign_and_size_and_empty_without_a_session():
    days = pl.Series([FIRST.replace(month=m) for m in (1, 2, 3)])
    (year,) = monthly(days, pl.Series([0.04, -0.01, 0.0]))
    assert [cell.css for cell in year.months[:4]] == ["p4", "n1", "", ""]
    assert [cell.text for cell in year.months[:4]] == ["4.0", "−1.0", "0.0", ""]
    assert "no session" in year.months[3].title


def test_text_on_the_colours_of_the_months_can_be_read_in_both_themes():
    style = (TEMPLATES / "style.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+):(#\w+)", part)) for part in style.split("@media", 2)[:2])
    for theme in (light, dark):
        for shade in [f"{sign}{k}" for sign in "pn" for k in range(1, 5)]:
            assert contrast(theme["on"], theme[shade]) >= 4.5, shade
        for name in ("ink", "soft", "pos", "neg"):
            assert contrast(theme[name], theme["paper"]) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    text = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = np.array([int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_portfolio_has_a_sheet_of_its_account_beside_its_paper(pages):
    names = [chart.id for chart in charts_of(record(PORTFOLIO))]
    assert names == ["growth", "drawdown", "rolling", "exposure", "costs"]
    growth = charts_of(record(PORTFOLIO))[0]
    assert [key.label for key in growth.keys] == ["target on paper", "held, before costs", "account"]
    assert growth.keys[0].value == growth.keys[2].value  # this one was held as wanted, at no cost
    assert '<td>NORMAL</td><td class="num">900</td>' in pages[PORTFOLIO]


def test_the_index_ranks_marks_what_fails_and_puts_what_has_no_data_last(pages):
    rows = re.findall(r'<tr class="(\w+)">.*?href="(\w+)\.html"', pages["index"])
    assert rows == [("PASS", GOOD), ("FAIL", BAD), ("NO_DATA", SILENT)]
    assert (
        "out-of-sample Sharpe, low end; deflated Sharpe; deflated Sharpe, whole library; overfitting" in pages["index"]
    )
    assert "✓ PASS 1" in pages["index"]
    assert 'href="portfolio.html"' in pages["index"]


def test_a_league_by_what_should_be_low_begins_with_the_lowest():
    found = league(results().evidence, "pbo")
    assert found["strategy_id"].to_list() == [GOOD, BAD, SILENT]
    assert found["rank"].to_list() == [1, 2, None]
    assert league(results().evidence, "strategy_id")["strategy_id"].to_list() == [BAD, GOOD, SILENT]


def test_progress_is_told_and_a_second_writing_gives_the_same_pages(tmp_path):
    told: list[tuple[str, int, int]] = []
    write_tearsheets(tmp_path, results(), lambda *step: told.append(step))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_tearsheets(tmp_path, results())
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert (told[0], told[-1]) == (("tear sheets", 0, 4), ("tear sheets", 4, 4))


def test_every_way_of_validating_has_a_title():
    assert list(METHODS) == [method.value for method in Method]


def test_the_templates_are_in_the_wheel():
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    listed = {path for glob in packaged["qgtm_resources.tearsheets"] for path in TEMPLATES.parent.glob(glob)}
    assert listed == set(TEMPLATES.iterdir())


FINITE = st.floats(-1e6, 1e6, allow_nan=False)
SERIES = hnp.arrays(np.float64, st.integers(1, 400), elements=st.one_of(FINITE, st.just(np.nan)))


@given(SERIES, st.integers(2, 40))
def test_thinning_keeps_both_ends_and_every_extreme_and_never_draws_a_hole(values, buckets):
    kept, finite = extremes(values, buckets), np.flatnonzero(np.isfinite(values))
    assert np.isfinite(values[kept]).all()
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= 2 * buckets + 2
    if len(finite):
        assert {finite[0], finite[-1]} <= set(kept)
        assert (values[kept].min(), values[kept].max()) == (np.nanmin(values), np.nanmax(values))


@given(SERIES, st.integers(-6, 6))
def test_a_scale_holds_its_values_and_its_ticks_are_round_and_few(values, power):
    scale = scale_of(values * 10.0**power)
    finite = values[np.isfinite(values)] * 10.0**power
    assert ((finite >= scale.low) & (finite <= scale.high)).all()
    places = [tick.at for tick in scale.ticks()]
    assert 2 <= len(places) <= 8
    assert all(0.0 <= place <= scale.height for place in places)
    assert all(above > below for above, below in pairwise(places))


def test_values_too_close_to_tell_apart_still_have_a_scale():
    assert len(scale_of([0.0, 5e-323]).ticks()) >= 2


def test_steps_are_one_two_and_a_half_or_five_times_a_power_of_ten():
    assert [nice_step(x) for x in (0.9, 1.1, 2.2, 3.0, 7.0, 0.03)] == [1.0, 2.0, 2.5, 5.0, 10.0, 0.05]
    assert nice_step(float("nan")) == 1.0


def test_a_line_breaks_where_nothing_is_known():
    across, values = np.linspace(0.0, 1.0, 5), np.array([0.0, 1.0, np.nan, 1.0, 0.0])
    assert line(across, values, scale_of(values)).count("M") == 2
    assert line(across, np.full(5, np.nan), scale_of(values)) == ""
    assert area(across, np.full(5, np.nan), 0.0, scale_of(values)) == ""


def test_pages_of_a_made_up_market_say_so_and_those_of_real_history_do_not(tmp_path: Path) -> None:
    for feed, said in (("simulated", True), ("archive", False)):
        paths = write_tearsheets(tmp_path / feed, replace(results(), feed=feed))
        for page in (*paths.values(), tmp_path / feed / "index.html"):
            assert ("SIMULATED market" in page.read_text()) is said
