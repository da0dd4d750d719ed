from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from notebooks_svc.sessions.reconciler import reconcile_forever


class Command(BaseCommand):
    """Run the reconciler until it is told to stop."""

    help = "Walk sessions and clusters to where they should be, and run what is due. Runs until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = False

        def stop(*_: Any) -> None:
            nonlocal stopped
            stopped = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        reconcile_forever(stop=lambda: stopped)
