"""The embedded site and its resources; `up` works on them from the first minute."""

from __future__ import annotations

import os

from django.conf import settings

from portal.core.quantities import MICRO

from .models import Profile, Provider, Resource, Site

PROFILES = [
    # slug, name, summary, cores, memory_gib, workers_max
    ("small", "Small", "Learning, tables up to a few hundred thousand rows", 1, 2, 2),
    ("medium", "Medium", "Everyday analysis and small models", 2, 4, 2),
    ("large", "Large", "Several cores for training and heavy joins", 4, 8, 4),
]


def seed(*, demo: bool) -> None:  # noqa: ARG001 (the machine room is there with and without demo people)
    """Write the embedded provider, site, resources and profiles; safe to repeat."""
    for order, (slug, name, summary, cores, memory_gib, workers_max) in enumerate(PROFILES):
        Profile.objects.get_or_create(
            slug=slug,
            defaults={
                "name": name,
                "summary": summary,
                "order": order,
                "cores": cores,
                "memory_gib": memory_gib,
                "workers_max": workers_max,
            },
        )
    if not settings.EMBEDDED:
        return
    provider, _ = Provider.objects.get_or_create(slug="this-machine", defaults={"name": "This machine", "country": "KE"})
    site, _ = Site.objects.update_or_create(
        slug="embedded",
        defaults={
            "provider": provider,
            "hub_url": settings.HUB_INTERNAL_URL,
            "agent_url": settings.AGENT_URL,
            "notebooks_url": settings.NOTEBOOKS_URL,
        },
    )
    cores = os.cpu_count() or 1
    for slug, name, summary, factor in (
        ("commons-cpu", "Commons CPU", "General notebooks and Dask clusters", 1),
        ("commons-highmem", "Commons high memory", "The same machines with memory priced for large tables", 2),
    ):
        Resource.objects.get_or_create(
            slug=slug,
            defaults={
                "name": name,
                "summary": summary,
                "site": site,
                "cores": max(16, cores),
                "memory_gib": 64,
                "core_hour": 4 * MICRO * factor,
                "gib_hour": 1 * MICRO * factor,
            },
        )
