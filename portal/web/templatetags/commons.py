"""Filters and components available in every template."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from portal.core.quantities import credits_text
from portal.web.registry import registry

register = template.Library()


@register.filter
def credits(amount: int | None) -> str:
    """Micro-credits as credits with at most two decimals for reading; statements show all six."""
    if amount is None:
        return "—"
    cents = round(amount / 10_000)
    if cents == 0 and amount:
        return "less than 0.01" if amount > 0 else "more than −0.01"
    text = f"{cents / 100:,.2f}".rstrip("0").rstrip(".")
    return text.replace(",", "\u2009").replace("-", "\u2212")


@register.filter
def credits_exact(amount: int | None) -> str:
    """Micro-credits as credits, to the last digit."""
    return "—" if amount is None else credits_text(amount)


@register.filter
def credits_signed(amount: int) -> str:
    """Micro-credits as credits with their sign, to the last digit: by how much something changed."""
    sign = "+" if amount > 0 else "\u2212" if amount < 0 else ""
    return f"{sign}{credits_text(abs(amount))}"


@register.filter
def percent_of(part: int, whole: int) -> int:
    """`part` as a whole percentage of `whole`, 0 when there is no whole."""
    return min(100, round(100 * part / whole)) if whole else 0


@register.simple_tag(takes_context=True)
def when(context: dict[str, Any], moment: datetime | None, style: str = "full") -> SafeString | str:
    """A moment in the person's own time zone, as a <time> element that machines can read."""
    if moment is None:
        return "—"
    request = context.get("request")
    zone = getattr(getattr(request, "user", None), "zone", None) or ZoneInfo("UTC")
    local = moment.astimezone(zone)
    form = {"full": "%-d %b %Y, %H:%M", "date": "%-d %b %Y", "time": "%H:%M"}[style]
    suffix = "" if style == "date" else f" {local.tzname()}"
    return format_html('<time datetime="{}">{}{}</time>', moment.astimezone(UTC).isoformat(), local.strftime(form), suffix)


@register.filter
def duration(seconds: int | float | None) -> str:
    """Seconds in words of two units: 5400 → "1 h 30 min"."""
    if seconds is None:
        return "—"
    seconds = int(seconds)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (secs, "s")]
    shown = [f"{n} {unit}" for n, unit in parts if n][:2]
    return " ".join(shown) or "0 s"


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    """Look a key up in a mapping."""
    return mapping.get(key)


@register.filter
def begins(path: str, start: str) -> bool:
    """Whether a path lies below an address: the menu marks where one is."""
    return path.startswith(start)


@register.inclusion_tag("web/components/badge.html")
def badge(state: Any) -> dict[str, Any]:
    """A state badge: `state` is an object with label, tone and icon (see each room's states.py)."""
    return {"state": state}


@register.inclusion_tag("web/components/bar.html")
def quota_bar(spent: int, held: int, available: int) -> dict[str, Any]:
    """A bar of credits spent, held and left, with the figures in words beside it."""
    whole = spent + held + available
    return {
        "spent": spent,
        "held": held,
        "available": available,
        "spent_percent": percent_of(spent, whole),
        "held_percent": percent_of(held, whole),
    }


@register.simple_tag(takes_context=True)
def cards(context: dict[str, Any], place: str, **facts: Any) -> SafeString:
    """Draw what rooms registered for a place of a page; a room with nothing to say is silent."""
    request = context["request"]
    drawn = []
    for _, function in registry.cards.get(place, []):
        answer = registry.call(function, request, **facts)
        if answer is not None:
            name, extra = answer
            drawn.append(render_to_string(name, {**facts, **extra}, request=request))
    return mark_safe("".join(drawn))  # noqa: S308 (each part was escaped by its own template)
