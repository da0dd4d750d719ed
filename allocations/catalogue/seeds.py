"""The embedded site and its resources; `up` works on them from the first minute."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings

from portal.core.quantities import MICRO

from .models import Profile, Provider, Resource, Site

PROFILES = [
    # slug, name, summary, cores, memory_gib, workers_max
    ("small", "Small", "Learning, tables up to a few hundred thousand rows", 1, 2, 2),
    ("medium", "Medium", "Everyday analysis and small models", 2, 4, 2),
    ("large", "Large", "Several cores for training and heavy joins", 4, 8, 4),
]

GPU_PROFILE: dict[str, Any] = {
    "slug": "gpu",
    "name": "GPU",
    "summary": "Training with one GPU",
    "order": 10,
    "cores": 1,
    "memory_gib": 4,
    "gpus": 1,
}
_RATES = {"core_hour": 4 * MICRO, "gib_hour": 1 * MICRO}
RESOURCES: dict[str, list[dict[str, Any]]] = {
    "local": [
        {
            "slug": "commons-cpu",
            "name": "Commons CPU",
            "summary": "General notebooks and Dask clusters",
            "cores": max(16, os.cpu_count() or 1),
            "memory_gib": 64,
            **_RATES,
        },
        {
            "slug": "commons-highmem",
            "name": "Commons high memory",
            "summary": "The same machines with memory priced for large tables",
            "cores": max(16, os.cpu_count() or 1),
            "memory_gib": 64,
            "core_hour": 8 * MICRO,
            "gib_hour": 2 * MICRO,
        },
    ],
    # The billing weights of the site in a box (deploy/slurm) are these rates.
    "slurm": [
        {
            "slug": "slurm-hpc",
            "name": "Slurm HPC",
            "summary": "Notebooks, Dask clusters and GPUs on a supercomputer",
            "partition": "hpc",
            "cores": 8,
            "memory_gib": 32,
            "gpus": 4,
            "gpu_hour": 30 * MICRO,
            **_RATES,
        },
        {
            "slug": "slurm-burst",
            "name": "Slurm cloud burst",
            "summary": "Machines of a cloud, started when you need them",
            "partition": "burst",
            "cores": 8,
            "memory_gib": 32,
            **_RATES,
        },
    ],
}


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
            "engine": settings.SITE,
            "hub_url": settings.HUB_INTERNAL_URL,
            "agent_url": settings.AGENT_URL,
            "notebooks_url": settings.NOTEBOOKS_URL,
        },
    )
    for resource in RESOURCES[settings.SITE]:
        Resource.objects.get_or_create(slug=resource["slug"], defaults={"site": site, **resource})
    if settings.SITE == "slurm":
        Profile.objects.get_or_create(slug=GPU_PROFILE["slug"], defaults=GPU_PROFILE)


def here(slug: str) -> str:
    """What a resource of the local demo is called on the site that runs now: the first stays the first."""
    names = [[str(row["slug"]) for row in RESOURCES[kind]] for kind in ("local", settings.SITE)]
    return dict(zip(*names, strict=False)).get(slug, slug)


def first_resource() -> str:
    """The slug of what the demo's awards may be spent on."""
    return str(RESOURCES[settings.SITE][0]["slug"])
