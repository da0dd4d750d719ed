"""From a size to credits per hour. Whole micro-credits; rounded up once, here, when a rate is shared by fractions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """What one process group gets: cores, GiB of memory, GPUs."""

    cores: int
    memory_gib: int
    gpus: int = 0


@dataclass(frozen=True)
class Rate:
    """
    What a resource costs, in micro-credits per hour of each unit, and how the provider adds them up.

    `sum`: each unit is paid. `max`: the largest share of a node is paid, as Slurm's max of billing weights does; then
    `node` says how large a node is and `node_hour` what all of it costs. `node`: every node touched is paid as a whole.
    """

    core_hour: int
    gib_hour: int
    gpu_hour: int = 0
    rule: str = "sum"
    node_hour: int = 0
    node: Size | None = None

    def as_dict(self) -> dict[str, Any]:
        """For keeping with an award: a rate is frozen there."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Rate:
        """Read a frozen rate."""
        node = data.get("node")
        return cls(**{**data, "node": Size(**node) if node else None})


def rate_per_hour(rate: Rate, size: Size) -> int:
    """
    Micro-credits per hour for a size.

    Source of the `max` rule: Slurm's PriorityFlags=MAX_TRES, the largest of the requested shares of a node.
    """
    if rate.rule == "sum":
        return size.cores * rate.core_hour + size.memory_gib * rate.gib_hour + size.gpus * rate.gpu_hour
    assert rate.node is not None  # noqa: S101 (the row's constraint says so)
    shares = [(size.cores, rate.node.cores), (size.memory_gib, rate.node.memory_gib), (size.gpus, rate.node.gpus)]
    if rate.rule == "node":
        return rate.node_hour * max(-(-part // whole) for part, whole in shares if whole)
    return max(-(-rate.node_hour * part // whole) for part, whole in shares if whole)


def formula(rate: Rate, size: Size) -> str:
    """The rate in words, for statements and quotes."""
    from portal.core.quantities import credits_text

    total = credits_text(rate_per_hour(rate, size))
    if rate.rule == "max":
        return f"largest share of a node × {credits_text(rate.node_hour)} per node-hour = {total} credits per hour"
    if rate.rule == "node":
        return f"whole nodes × {credits_text(rate.node_hour)} per node-hour = {total} credits per hour"
    parts = [f"{size.cores} core{'s' * (size.cores != 1)} × {credits_text(rate.core_hour)}"]
    if rate.gib_hour:
        parts.append(f"{size.memory_gib} GiB × {credits_text(rate.gib_hour)}")
    if size.gpus:
        parts.append(f"{size.gpus} GPU × {credits_text(rate.gpu_hour)}")
    return " + ".join(parts) + f" = {total} credits per hour"
