from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.accounts.first_operator import link_token, operator_exists


class Command(BaseCommand):
    """Print the link that makes the first operator; nothing when there is one."""

    help = "Print the single-use link that makes the first operator."

    def handle(self, *args: Any, **options: Any) -> None:
        if not operator_exists():
            self.stdout.write(f"{settings.PORTAL_URL}/first-operator/{link_token()}/")
