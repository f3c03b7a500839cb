"""Linear assignment: which rows and columns of a cost matrix belong together.

Shortest augmenting paths with dual variables, O(n²m) for n ≤ m: R. Jonker and A. Volgenant, "A
shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38,
1987, without their initialisation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Costs = NDArray[np.float64]
Indices = NDArray[np.intp]


def assign(cost: ArrayLike, limit: float) -> Indices:
    """Pairs (row, column) with a cost below ``limit``: intp ``[K, 2]``, by row.

    cost: ``[N, M]``. Each row and column is in at most one pair, and no other choice of pairs has
    a lower sum of (cost − limit): a pair at or over the limit is worth nothing, so it never takes
    the place of a good one.

    Raises ValueError where ``cost`` is no matrix or holds NaN or infinities.
    """
    matrix = np.asarray(cost, np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"expected a matrix of costs, found shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("expected finite costs, found NaN or infinity")
    gain = np.minimum(matrix - limit, 0.0)
    rows: Indices
    columns: Indices
    if gain.shape[0] <= gain.shape[1]:
        rows = np.arange(gain.shape[0])
        columns = _columns_of_rows(gain)
    else:
        rows = _columns_of_rows(gain.T)
        columns = np.arange(gain.shape[1])
    below = gain[rows, columns] < 0
    pairs = np.stack([rows[below], columns[below]], axis=1)
    return pairs[np.argsort(pairs[:, 0])]


def _columns_of_rows(cost: Costs) -> Indices:
    """The column of each row in the cheapest full assignment of ``[n, m]`` costs with n ≤ m."""
    n, m = cost.shape
    row_dual, column_dual = np.zeros(n), np.zeros(m)
    row_of = np.full(m, -1, np.intp)
    column_of = np.full(n, -1, np.intp)
    for start in range(n):
        sink, came_from = _grow_tree(cost, start, row_of, row_dual, column_dual)
        _flip_path(sink, start, came_from, row_of, column_of)
    return column_of


def _grow_tree(
    cost: Costs, start: int, row_of: Indices, row_dual: Costs, column_dual: Costs
) -> tuple[int, Indices]:
    """Dijkstra over reduced costs from a free row to the nearest free column.

    Returns that column and, for each column reached, the row it was reached from. Both duals are
    changed in place so that reduced costs stay ≥ 0, and 0 along the path found.
    """
    m = len(row_of)
    distance = np.full(m, np.inf)
    came_from = np.full(m, -1, np.intp)
    scanned = np.zeros(m, bool)
    row, reached, column = start, 0.0, -1
    while row >= 0:
        through = reached + cost[row] - row_dual[row] - column_dual
        nearer = ~scanned & (through < distance)
        distance[nearer] = through[nearer]
        came_from[nearer] = row
        column = int(np.argmin(np.where(scanned, np.inf, distance)))
        reached = float(distance[column])
        scanned[column] = True
        row = int(row_of[column])
    tree = np.flatnonzero(scanned)
    inner = tree[row_of[tree] >= 0]
    row_dual[start] += reached
    row_dual[row_of[inner]] += reached - distance[inner]
    column_dual[tree] -= reached - distance[tree]
    return column, came_from


def _flip_path(
    sink: int, start: int, came_from: Indices, row_of: Indices, column_of: Indices
) -> None:
    """Give each row on the path from ``start`` to ``sink`` its next column, in place."""
    column, row = sink, -1
    while row != start:
        row = int(came_from[column])
        row_of[column] = row
        column, column_of[row] = int(column_of[row]), column
