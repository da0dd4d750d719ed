from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from portal.core.pulse import pulse as touch

from .registry import registry

log = logging.getLogger(__name__)


@shared_task
def pulse(**_: object) -> None:
    """Show that the worker takes messages."""
    touch("worker")


@shared_task
def sweep(**_: object) -> None:
    """Look at everything that is due, beside the reconciler: each look is safe to run twice at once."""
    for function, _every in registry.sweeps:
        try:
            registry.call(function, at=timezone.now())
        except Exception:
            log.exception("%s failed", function)
