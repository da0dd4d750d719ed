"""
How much to ask for: from a piece of work to hours of a device and credits, with the working shown. Plain Python.

Training and fine-tuning: FLOP = 6 × parameters × tokens; inference: 2 × parameters × tokens (both usual rules of thumb).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

PEAK_TFLOPS = {"a100": 312, "h100": 989, "h200": 989, "l40s": 362, "v100": 125}
PEAK_WORDS = {"a100": "A100", "h100": "H100", "h200": "H200", "l40s": "L40S", "v100": "V100"}
# Indicative thresholds of the EU AI Act for general-purpose models, in FLOP of training.
GPAI, GPAI_SYSTEMIC = Decimal(10) ** 23, Decimal(10) ** 25
HOURS_MAX = Decimal(10) ** 9


@dataclass(frozen=True)
class Estimate:
    """Hours of one device (a GPU or a core), what they cost, and how that was worked out."""

    hours: Decimal
    credits: Decimal
    working: list[str]
    warnings: list[str]


def by_runs(*, runs: int, hours_each: Decimal, devices: int, overhead_percent: int, credits_hour: Decimal) -> Estimate:
    """
    From runs one has done before: runs × hours × devices, and a part for what goes wrong.

    :param overhead_percent: failed runs, tuning, restarts; 20 to 30 is usual
    :param credits_hour: credits for an hour of one device
    """
    bare = runs * hours_each * devices
    hours = _up(bare * (100 + overhead_percent) / 100)
    working = [
        f"{runs} runs × {hours_each:f} hours × {devices} device{'s' * (devices != 1)} = {bare:f} hours",
        f"+ {overhead_percent} % for failed runs and tuning = {hours:,f} hours",
    ]
    return _priced(hours, credits_hour, working, [] if overhead_percent >= 10 else [_LITTLE])


def by_model(
    *,
    task: str,
    parameters_billion: Decimal,
    tokens_billion: Decimal,
    device: str,
    used_percent: int,
    overhead_percent: int,
    credits_hour: Decimal,
) -> Estimate:
    """
    From a model's size and the text it sees.

    :param task: train, tune or infer
    :param used_percent: of the device's peak; 30 to 40 is good for training, less for inference
    """
    factor = 2 if task == "infer" else 6
    flop = factor * parameters_billion * tokens_billion * Decimal(10) ** 18
    speed = PEAK_TFLOPS[device] * Decimal(10) ** 12 * used_percent / 100
    bare = flop / speed / 3600
    hours = _up(bare * (100 + overhead_percent) / 100)
    working = [
        f"{factor} × {parameters_billion:f} billion parameters × {tokens_billion:f} billion tokens = {_power(flop)} FLOP",
        f"{PEAK_WORDS[device]}: {PEAK_TFLOPS[device]} TFLOP/s × {used_percent} % = {_power(speed)} FLOP/s",
        f"{_power(flop)} ÷ {_power(speed)} ÷ 3600 = {_up(bare):,f} hours",
        f"+ {overhead_percent} % for failed runs and tuning = {hours:,f} hours",
    ]
    warnings = [] if overhead_percent >= 10 else [_LITTLE]
    if task != "infer":
        warnings += gpai_words(flop)
    return _priced(hours, credits_hour, working, warnings)


def gpai_words(flop: Decimal) -> list[str]:
    """What a training's FLOP mean under the EU AI Act's indicative thresholds; told from half of each on."""
    for limit, words in ((GPAI_SYSTEMIC, "a general-purpose model with systemic risk"), (GPAI, "a general-purpose model")):
        if flop >= limit:
            return [f"{_power(flop)} FLOP pass the {_power(limit)} from which the EU AI Act takes it for {words}."]
        if flop * 2 >= limit:
            return [f"{_power(flop)} FLOP are over half of the {_power(limit)} from which the EU AI Act takes it for {words}."]
    return []


_LITTLE = "Less than 10 % for what goes wrong is little; most who run out did so because of failed runs."


def _priced(hours: Decimal, credits_hour: Decimal, working: list[str], warnings: list[str]) -> Estimate:
    credits = _up(hours * credits_hour)
    return Estimate(hours, credits, [*working, f"{hours:,f} hours × {credits_hour:f} credits = {credits:,f} credits"], warnings)


def _up(number: Decimal) -> Decimal:
    """Rounded up to a tenth, so that an estimate never asks for less than it found."""
    tenths = min(number, HOURS_MAX * HOURS_MAX).quantize(Decimal("0.1"), rounding=ROUND_CEILING)
    return tenths.quantize(Decimal(1)) if tenths == tenths.to_integral_value() else tenths


def _power(number: Decimal) -> str:
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa} × 10^{int(exponent)}"
