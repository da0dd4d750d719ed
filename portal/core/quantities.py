"""
Credits are whole numbers of micro-credits; seconds and rates are whole numbers too. No floats, no rounding surprises.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException

MICRO = 1_000_000  # micro-credits in one credit
AMOUNT_MAX = 10**15  # a billion credits: far above any pool, far below what a database integer holds


class BadQuantity(ValueError):
    """The text is not an amount of credits."""


def credits_parse(text: object) -> int:
    """
    Read an amount of credits, for example "12.5", as micro-credits.

    :raises BadQuantity: not a number, not positive, more than six decimal places, or above one billion credits
    """
    if isinstance(text, float | bool):
        raise BadQuantity('Write credits as text or a whole number, for example "12.5": a float has already been rounded.')
    try:
        amount = Decimal(str(text).strip()) * MICRO
        whole = amount.is_finite() and amount == amount.to_integral_value()
    except DecimalException:  # no number, or one beyond all numbers ("1e999999")
        raise BadQuantity(f"{str(text)[:40]!r} is not a number of credits; write for example 12.5.") from None
    if not whole:
        raise BadQuantity(f"{text} has more than six decimal places; credits are counted in millionths.")
    if not 0 < amount <= AMOUNT_MAX:
        raise BadQuantity(f"{text} credits is out of range; write more than 0 and at most 1000000000.")
    return int(amount)


def credits_text(amount: int) -> str:
    """Micro-credits as a decimal string of credits without trailing zeros: 12500000 → "12.5"."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, MICRO)
    return f"{sign}{whole}" + (f".{rest:06d}".rstrip("0") if rest else "")


def charge(*, rate_per_hour: int, unit_seconds: int) -> int:
    """
    The price of `unit_seconds` at `rate_per_hour` micro-credits: ceil(rate × seconds / 3600).

    The one rounding in the product; the function that sizes a hold is this one too, so a charge never exceeds its hold.
    """
    return -(-rate_per_hour * unit_seconds // 3600)
