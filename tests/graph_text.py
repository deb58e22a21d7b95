"""The graph as text, for a snapshot that a person can read. Renew it with

python -m tests.graph_text
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from definitions import build_defs
from qgtm_resources.settings import load_settings

SNAPSHOT = Path(__file__).parent / "assets" / "graph.txt"


def graph_text() -> str:
    """Both code locations: assets, checks, jobs, sensors, schedules and resources."""
    locations = build_defs(load_settings(home=Path("home")))
    return "\n".join(line for name, found in locations.items() for line in _location(name, found)) + "\n"


def _location(name: str, found: dg.Definitions) -> Iterator[str]:
    graph, repository = found.resolve_asset_graph(), found.get_repository_def()
    yield f"# code location {name}"
    yield f"resources: {', '.join(sorted(found.resources or {}))}"
    yield "\n## assets: key | group | kinds | owners | upstream groups | automation"
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.path):
        node = graph.get(key)
        if not node.is_executable and node.group_name == "default":
            yield f"{key.to_user_string()} | (of the other location)"
            continue
        upstream = ", ".join(sorted({parent.path[0] for parent in node.parent_keys})) or "-"
        automation = "automated" if node.automation_condition else "-"
        kinds, owners = " ".join(sorted(node.kinds)), " ".join(node.owners)
        yield f"{key.to_user_string()} | {node.group_name} | {kinds} | {owners} | {upstream} | {automation}"
    yield "\n## checks"
    for check in sorted(graph.asset_check_keys, key=str):
        blocks = "blocking" if graph.get(check).blocking else "warning only"
        yield f"{check.asset_key.to_user_string()}: {check.name} ({blocks})"
    yield "\n## jobs: name: selection"
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if job.name.startswith("__"):
            continue
        keys = sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        yield f"{job.name}: {len(keys)} assets: {', '.join(keys)}"
    yield "\n## sensors: name | every seconds | status at first start"
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        yield f"{sensor.name} | {sensor.minimum_interval_seconds} | {sensor.default_status.value}"
    yield "\n## schedules: name | cron | time zone | status at first start"
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        when = f"{schedule.cron_schedule} | {schedule.execution_timezone}"
        yield f"{schedule.name} | {when} | {schedule.default_status.value}"
    yield ""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    SNAPSHOT.write_text(graph_text())
