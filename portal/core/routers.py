"""On SQLite, what comes and goes with every page (web sessions, cache) lives in a file of its own."""

from __future__ import annotations

from typing import Any

VOLATILE_APPS = {"sessions"}


class VolatileRouter:
    """Send web sessions and the cache table to the `volatile` database, everything else to `default`."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "volatile" if self._is_volatile(model._meta.app_label) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return self._is_volatile(app_label) == (db == "volatile")

    @staticmethod
    def _is_volatile(app_label: str) -> bool:
        return app_label in VOLATILE_APPS or app_label == "django_cache"
