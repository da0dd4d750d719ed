from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from portal.api.root import caller

from . import use
from .selectors import dataset_get

router = Router(tags=["datasets"])


@router.get("/datasets/{slug}/use")
def dataset_use(request: HttpRequest, slug: str) -> dict[str, Any]:
    """How a dataset was used in the last 30 days, by project: for its steward and the enterprise that contributed it."""
    dataset, today = dataset_get(slug=slug), timezone.now().date()
    rows = use.use_for_user(user=caller(request), dataset=dataset, today=today)
    return {**use.use_summary(dataset=dataset, today=today), "items": rows, "next": None}
