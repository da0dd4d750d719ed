"""What a job costs, by the allocation's frozen rate; and how many of the scheduler's billing minutes credits are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from allocations.catalogue.models import Resource
from allocations.catalogue.rates import Rate, Size, rate_per_hour
from portal.core.quantities import MICRO, credits_text

MINUTES_PER_CREDIT = 60
MIB = 1024


@dataclass(frozen=True)
class Given:
    """What a job was given: cores, memory to the MiB, GPUs."""

    cores: int
    memory_mib: int
    gpus: int = 0

    @property
    def size(self) -> Size:
        """In whole GiB, for records."""
        return Size(self.cores, -(-self.memory_mib // MIB), self.gpus)


def job_rate(rate: Rate, given: Given) -> int:
    """Micro-credits per hour; memory is counted to the MiB, as the scheduler gives it."""
    if rate.rule == "sum":
        memory = -(-given.memory_mib * rate.gib_hour // MIB)
        return rate_per_hour(rate, Size(given.cores, 0, given.gpus)) + memory
    assert rate.node is not None  # noqa: S101 (the resource's constraint says so)
    fine = replace(rate, node=replace(rate.node, memory_gib=rate.node.memory_gib * MIB))
    return rate_per_hour(fine, Size(given.cores, given.memory_mib, given.gpus))


def job_formula(rate: Rate, given: Given) -> str:
    """The rate in words, for statements."""
    total = f"{credits_text(job_rate(rate, given))} credits per hour"
    if rate.rule != "sum":
        return f"{'largest share of a node' if rate.rule == 'max' else 'whole nodes'} = {total}"
    parts = [f"{given.cores} core{'s' * (given.cores != 1)} × {credits_text(rate.core_hour)}"]
    if given.memory_mib and rate.gib_hour:
        parts.append(f"{gib_text(given.memory_mib)} GiB × {credits_text(rate.gib_hour)}")
    if given.gpus:
        parts.append(f"{given.gpus} GPU × {credits_text(rate.gpu_hour)}")
    return f"{' + '.join(parts)} = {total}"


def gib_text(memory_mib: int) -> str:
    """MiB as GiB that people read: 1.5."""
    return f"{memory_mib / MIB:.3f}".rstrip("0").rstrip(".")


def seconds_paid_by(amount: int, per_hour: int) -> int | None:
    """The most seconds an amount pays for; None when they cost nothing."""
    return amount * 3600 // per_hour if per_hour else None


def billing_minutes(amount: int, *, resource: Resource, frozen: Rate) -> int:
    """
    The scheduler's billing minutes that an amount pays for. It counts by today's rate (one billing unit is one credit per
    hour), the allocation pays by its own: where the two differ, the fence stands where no job can cost more than the amount.
    """
    pairs = [
        (resource.core_hour, frozen.core_hour),
        (resource.gib_hour, frozen.gib_hour),
        (resource.gpu_hour, frozen.gpu_hour),
    ]
    cheaper = min([1.0] + [now / then for now, then in pairs if now and then])
    return int(amount * MINUTES_PER_CREDIT * cheaper / MICRO)


def smallest_minute(rate: Rate) -> int:
    """What a minute of the smallest job costs, in micro-credits: below that nothing can be started any more."""
    return -(-job_rate(rate, Given(1, 1)) // 60)
