"""From an order to the words sbatch is given. Each is built here, from values whose form was checked; none is a person's."""

from __future__ import annotations

import math
import re
import time

from ...wire import BatchWish, RunOrder

ID = re.compile(r"[sc][0-9a-hjkmnp-tv-z]{26}(-[0-9a-z]{1,40})?")
BACKSTOP_MIN = 2
SIGNAL_BEFORE_S = 90


def account_name(instance: str, account: str) -> str:
    """What an allocation is called in the scheduler's accounting: two portals on one cluster do not meet."""
    return f"cc{instance[:8]}-{account}"


def batch_account_name(instance: str, hold: str) -> str:
    """What a batch hold is called there, account and QOS alike. Never what an allocation is called."""
    return f"cb{instance[:8]}-{hold[-10:]}"


def comment(instance: str) -> str:
    """What every job of this portal carries."""
    return f"commons:{instance}"


def limit_minutes(order: RunOrder, *, now: float | None = None) -> int:
    """The scheduler's own limit: boot, the minutes bought, and a margin after which the deadline was missed by everybody."""
    if order.deadline is not None:
        minutes = math.ceil(max(0.0, order.deadline - (now or time.time())) / 60)
    else:
        minutes = order.minutes or 0
    return math.ceil((order.boot_s or 0) / 60) + max(1, minutes) + BACKSTOP_MIN


def size_options(batch: BatchWish, instance: str) -> list[str]:
    """What is asked for, and on whose account."""
    name = account_name(instance, batch.account)
    words = [
        f"--partition={batch.partition}",
        f"--account={name}",
        f"--qos={name}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={batch.cores}",
        f"--mem={batch.memory_gib}G",
    ]
    if batch.gpus:
        words.append(f"--gres=gpu:{batch.gpus}")
    return words


def submit_options(order: RunOrder, *, home: str) -> list[str]:
    """
    Every word of the submission.

    :raises ValueError: for an id that is not one of ours
    """
    if order.batch is None or not ID.fullmatch(order.id):
        raise ValueError(f"{order.id[:60]!r} cannot be submitted")
    return [
        f"--job-name={order.id}",
        f"--comment={comment(order.instance)}",
        "--no-requeue",
        "--dependency=singleton",
        f"--time={limit_minutes(order)}",
        f"--signal=B:USR1@{SIGNAL_BEFORE_S}",
        "--open-mode=append",
        f"--output={home}/.local/share/commons/logs/{order.id}.log",
        f"--chdir={home}",
        *size_options(order.batch, order.instance),
    ]
