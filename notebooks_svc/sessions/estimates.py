"""
When would it start? A batch site's scheduler is asked through its agent. Each process keeps the answer for a minute, the agent
for half of one.

Asked for where a person looks at a quote, before anything is written; a launch itself never waits for it.
"""

from __future__ import annotations

from django.core.cache import caches
from pydantic import ValidationError

from allocations.catalogue.models import Profile, Resource
from notebooks_svc.wire import BatchWish, TestAsk

from .doors.agent import AgentRefused, AgentUnreachable, agent_door

STARTS_IN_S = 10  # a free place
KEEP_S = 60
NOBODY = "u" + "a" * 16


def starts_in(*, resource: Resource, profile: Profile, minutes: int, ask: bool) -> int | None:
    """
    Seconds until a launch of this size would start; None when the site cannot say.

    :param ask: ask the site; a launch does not, because nobody reads its answer
    """
    if resource.site.engine == "local":
        return STARTS_IN_S
    if not ask:
        return None
    cache = caches["local"]
    key = f"starts-in:{resource.pk}:{profile.slug}:{minutes}"
    kept = cache.get(key)
    if kept is not None:
        return kept if kept >= 0 else None
    found = _ask(resource, profile, minutes)
    cache.set(key, -1 if found is None else found, KEEP_S)
    return found


def _ask(resource: Resource, profile: Profile, minutes: int) -> int | None:
    try:
        batch = BatchWish(
            hub_username=NOBODY,
            account="estimate",
            partition=resource.partition,
            cores=profile.cores,
            memory_gib=profile.memory_gib,
            gpus=profile.gpus,
            budget_minutes=0,
        )
        answer = agent_door(resource.site.agent_url).test_only(TestAsk(batch=batch, minutes=minutes))
    except (AgentUnreachable, AgentRefused, ValidationError):
        return None
    return None if answer.starts_in_s is None else STARTS_IN_S + round(answer.starts_in_s)
