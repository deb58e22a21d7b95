"""Every strategy, found by looking: one module a strategy in the folders beside this file. No rule lives here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from qgtm_core import strategies
from qgtm_core.errors import ConfigError
from qgtm_core.strategies.spec import Cadence, Sleeve, Strategy


def collect(found: Iterable[tuple[str, Strategy]]) -> dict[str, Strategy]:
    """Return the strategies by id, in order of their number, from pairs of module name and strategy.

    Raises ConfigError when an id or number occurs twice or a module is not named after its strategy.
    """
    registry: dict[str, Strategy] = {}
    numbers: dict[int, str] = {}
    for module, strategy in sorted(found, key=lambda pair: (pair[1].number, pair[1].id)):
        if module.rpartition(".")[2] != strategy.id:
            raise ConfigError(f"{module}: a strategy module is named after its id, which is {strategy.id!r}")
        if strategy.id in registry:
            raise ConfigError(f"{module}: strategy id {strategy.id!r} occurs twice")
        if strategy.number in numbers:
            raise ConfigError(f"{module}: number {strategy.number} already belongs to {numbers[strategy.number]}")
        registry[strategy.id] = strategy
        numbers[strategy.number] = strategy.id
    return registry


def _modules() -> Iterable[tuple[str, Strategy]]:
    for folder in pkgutil.iter_modules(strategies.__path__, f"{strategies.__name__}."):
        if folder.ispkg:
            package = importlib.import_module(folder.name)
            for module in pkgutil.iter_modules(package.__path__, f"{folder.name}."):
                yield module.name, importlib.import_module(module.name).STRATEGY


REGISTRY: dict[str, Strategy] = collect(_modules())
# Those the daily rebalance computes, dead ones (which stay silent) included; research and options run in the shadow.
DAILY: dict[str, Strategy] = {key: s for key, s in REGISTRY.items() if s.sleeve is Sleeve.DAILY}
INTRADAY: dict[str, Strategy] = {key: s for key, s in REGISTRY.items() if s.cadence is Cadence.INTRADAY}
SHADOW: dict[str, Strategy] = {
    key: s
    for key, s in REGISTRY.items()
    if s.sleeve in {Sleeve.RESEARCH, Sleeve.OPTIONS} and s.cadence is not Cadence.INTRADAY
}
