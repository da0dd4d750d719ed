from __future__ import annotations

from celery import shared_task
from django.utils import timezone


@shared_task
def session_advance(*, session_id: str, **_: object) -> None:
    """Look whether a session is due a step."""
    from . import advance

    advance.session_advance(session_id=session_id, at=timezone.now())


@shared_task
def clusters_advance(**_: object) -> None:
    """Look at clusters that are due a step."""
    from . import clusters

    clusters.clusters_advance_due(at=timezone.now())


@shared_task
def site_look(*, site: str, **_: object) -> None:
    """Look at a site."""
    from . import looking

    looking.site_look(slug=site, at=timezone.now())


@shared_task
def sites_mirror(**_: object) -> None:
    """Have batch sites' accounts corrected."""
    from . import mirror

    mirror.sites_mirror(at=timezone.now())
