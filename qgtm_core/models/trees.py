"""Boosted trees as plain arrays: fitted by LightGBM, stored as JSON, read by NumPy. Live use loads no LightGBM."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CHUNK_ROWS = 256  # read at once, so that the work stays in the cache


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees in (trees, nodes) arrays; a leaf points at itself.

    A row goes left when its value is not above the threshold; a missing one where `missing_left` says.
    """

    feature: NDArray[np.int64]
    threshold: FloatArray
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: FloatArray
    depth: int

    def raw(self, x: FloatArray) -> FloatArray:
        """Sum of the leaves (log-odds) for each row of x (n, features), in the order of the trees."""
        return np.concatenate(
            [
                np.zeros(0),
                *(self._raw(np.ascontiguousarray(x[i : i + CHUNK_ROWS])) for i in range(0, len(x), CHUNK_ROWS)),
            ]
        )

    def _raw(self, x: FloatArray) -> FloatArray:
        """One level of all trees at a time; children of a node lie side by side, the right one second."""
        trees, nodes = self.feature.shape
        feature, threshold, missing_left, value, children = self._flat
        values, row = x.ravel(), x.shape[1] * np.arange(len(x))[:, None]
        holes = np.isnan(values).any()
        at = np.broadcast_to(nodes * np.arange(trees), (len(x), trees))
        for _ in range(self.depth):
            seen = values.take(feature.take(at) + row)
            right = ~(seen <= threshold.take(at))
            if holes:
                right &= ~(np.isnan(seen) & missing_left.take(at))
            at = children.take(2 * at + right)
        return np.asarray(np.add.accumulate(value.take(at), axis=1)[:, -1], dtype=np.float64)

    @cached_property
    def _flat(self) -> tuple[NDArray[np.intp], FloatArray, NDArray[np.bool_], FloatArray, NDArray[np.intp]]:
        """All trees end to end: feature, threshold, missing_left, value, and left and right child by turns."""
        trees, nodes = self.feature.shape
        children = np.stack([self.left, self.right], axis=-1) + (nodes * np.arange(trees))[:, None, None]
        plain = (self.feature.ravel().astype(np.intp), self.threshold.ravel(), self.missing_left.ravel())
        return (*plain, self.value.ravel(), children.ravel().astype(np.intp))

    def to_json(self) -> Mapping[str, Any]:
        """What `from_json` reads back to the same bits."""
        arrays = ("feature", "threshold", "left", "right", "missing_left", "value")
        return {**{name: getattr(self, name).tolist() for name in arrays}, "depth": self.depth}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Trees:
        """Read stored trees."""
        return cls(
            np.asarray(held["feature"], dtype=np.int64),
            np.asarray(held["threshold"], dtype=np.float64),
            np.asarray(held["left"], dtype=np.int64),
            np.asarray(held["right"], dtype=np.int64),
            np.asarray(held["missing_left"], dtype=np.bool_),
            np.asarray(held["value"], dtype=np.float64),
            int(held["depth"]),
        )


def fit_trees(x: FloatArray, y: NDArray[np.bool_], weight: FloatArray, params: Mapping[str, Any]) -> Trees:
    """Fit a binary classifier; NaN in x is missing. `params` are LightGBM's, with `rounds` the number of trees.

    One thread and fixed seeds: the same rows give the same trees.
    """
    lightgbm: Any = importlib.import_module("lightgbm")
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
    options = {**{k: v for k, v in params.items() if k != "rounds"}, **fixed}
    data = lightgbm.Dataset(x, label=y.astype(np.float64), weight=weight, params={"verbosity": -1}, free_raw_data=False)
    booster = lightgbm.train(options, data, num_boost_round=params["rounds"])
    return from_dump(booster.dump_model())


def from_dump(dump: Mapping[str, Any]) -> Trees:
    """Turn LightGBM's dump of a model into arrays."""
    flat = [_flatten(tree["tree_structure"]) for tree in dump["tree_info"]]
    width = max((len(nodes) for nodes, _ in flat), default=1)
    shape = (len(flat), width)
    feature, left, right = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    threshold, value = np.zeros(shape), np.zeros(shape)
    missing_left = np.zeros(shape, dtype=np.bool_)
    for number, (nodes, _) in enumerate(flat):
        for at, node in enumerate(nodes):
            feature[number, at], threshold[number, at], left[number, at], right[number, at] = node[:4]
            missing_left[number, at], value[number, at] = node[4:]
    return Trees(feature, threshold, left, right, missing_left, value, max((d for _, d in flat), default=0))


Node = tuple[int, float, int, int, bool, float]


def _flatten(root: Mapping[str, Any]) -> tuple[list[Node], int]:
    """Nodes of one tree, the root first, and its depth; a leaf reads feature 0 and stays where it is."""
    nodes: list[Node] = []
    deepest = 0

    def visit(node: Mapping[str, Any], depth: int) -> int:
        nonlocal deepest
        deepest, at = max(deepest, depth), len(nodes)
        nodes.append((0, 0.0, at, at, True, float(node.get("leaf_value", 0.0))))
        if "split_feature" in node:
            left, right = visit(node["left_child"], depth + 1), visit(node["right_child"], depth + 1)
            threshold = float(node["threshold"])
            missing_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
            nodes[at] = (int(node["split_feature"]), threshold, left, right, bool(missing_left), 0.0)
        return at

    visit(root, 0)
    return nodes, deepest
