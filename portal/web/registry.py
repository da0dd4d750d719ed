"""
Where upper floors register what must appear below: menu entries, dashboard cards, seeds.

Downstairs never calls up. A room registers from its `apps.py`; names are dotted paths, imported at first use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from django.db import transaction
from django.utils.module_loading import import_string

cached_import = cache(import_string)


@dataclass(frozen=True)
class MenuEntry:
    """A line of the main menu; `role` names a portal role that must be held, "" means every signed-in person."""

    label: str
    url_name: str
    order: int
    role: str = ""
    public: bool = False


@dataclass
class Registry:
    """What the rooms registered, in the order they asked for."""

    menu_entries: list[MenuEntry] = field(default_factory=list)
    cards: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    rows_along: dict[str, list[str]] = field(default_factory=dict)
    seeds: list[tuple[int, str]] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    health_checks: list[str] = field(default_factory=list)
    sweeps: list[tuple[str, int]] = field(default_factory=list)
    listeners: dict[str, list[str]] = field(default_factory=dict)
    guards: dict[str, list[str]] = field(default_factory=dict)

    def menu(self, label: str, url_name: str, *, order: int, role: str = "", public: bool = False) -> None:
        """Add a menu entry."""
        self.menu_entries.append(MenuEntry(label, url_name, order, role, public))
        self.menu_entries.sort(key=lambda entry: entry.order)

    def card(self, place: str, function: str, *, order: int = 50) -> None:
        """Add a card: a function (request) → (template, context) or None when there is nothing to say."""
        self.cards.setdefault(place, []).append((order, function))
        self.cards[place].sort()

    def along(self, place: str, relation: str) -> None:
        """Have a card's own row read along with the thing its page is about, where there is one row for each thing at most."""
        self.rows_along.setdefault(place, []).append(relation)

    def seed(self, function: str, *, order: int) -> None:
        """Add a seed: a function (demo: bool) that may run any number of times."""
        self.seeds.append((order, function))
        self.seeds.sort()

    def volume(self, function: str) -> None:
        """Add a seed of realistic size, for measuring: a function (percent) that may run any number of times."""
        self.volumes.append(function)

    def health(self, function: str) -> None:
        """Add a readiness check: a function () → None that raises with a sentence for the operator."""
        self.health_checks.append(function)

    def sweep(self, function: str, *, every_s: int) -> None:
        """Add a look at what is due: a function (at) → None, safe to run twice at once, run every `every_s` seconds."""
        self.sweeps.append((function, every_s))

    def listen(self, news: str, function: str) -> None:
        """
        Have a function () → None called when a room downstairs tells the news, for what cannot wait for the next sweep. It is
        called outside of transactions, may not raise, and a sweep does the same in any case: a call that is lost costs seconds.
        """
        self.listeners.setdefault(news, []).append(function)

    def tell(self, news: str) -> None:
        """Call whoever listens, once the running transaction has committed (at once when there is none)."""
        for function in self.listeners.get(news, []):
            transaction.on_commit(partial(_tell, function), robust=True)

    def guard(self, what: str, function: str) -> None:
        """Have a function (**facts) → None asked before a room downstairs does something: it raises a Refusal to forbid it."""
        self.guards.setdefault(what, []).append(function)

    def check(self, what: str, **facts: Any) -> None:
        """
        Let pass what no guard forbids.

        :raises Refusal: of the first guard that does
        """
        for function in self.guards.get(what, []):
            cached_import(function)(**facts)

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Import and call a registered function."""
        target: Callable[..., Any] = cached_import(function)
        return target(*args, **kwargs)


def _tell(function: str) -> None:
    cached_import(function)()


registry = Registry()
