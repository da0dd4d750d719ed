"""What a launch can cost at most, before the click."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from allocations.catalogue.carbon import Footprint, footprint
from allocations.catalogue.models import Profile, Resource
from allocations.catalogue.rates import Rate, formula, rate_per_hour
from allocations.catalogue.selectors import profile_get, resource_get
from allocations.ledger.selectors import balance
from allocations.projects import policies as projects_policy
from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.core.errors import Malformed, Refusal
from portal.core.quantities import charge, credits_text
from portal.web.registry import registry

from .estimates import starts_in

MINUTES_MIN, MINUTES_MAX = 1, 24 * 60
SKEW_MAX_S = 2.0
SILENT_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Quote:
    """The most a launch can cost, and what is then left. Amounts in micro-credits."""

    allocation: Allocation
    resource: Resource
    profile: Profile
    minutes: int
    rate: Rate
    rate_per_hour: int
    worker_rate_per_hour: int
    hold: int
    available: int
    cluster_hold: int
    workers_max: int
    starts_in_s: int | None
    footprint: Footprint

    @property
    def left(self) -> int:
        return self.available - self.hold

    @property
    def left_with_cluster(self) -> int:
        return max(0, self.left - self.cluster_hold)

    @property
    def rate_words(self) -> str:
        return formula(self.rate, self.profile.size)

    def as_dict(self) -> dict[str, Any]:
        """For the API: credits as decimal strings."""
        return {
            "allocation": self.allocation.code,
            "resource": self.resource.slug,
            "profile": self.profile.slug,
            "minutes": self.minutes,
            "credits_max": credits_text(self.hold),
            "available": credits_text(self.available),
            "left": credits_text(self.left),
            "rate_per_hour": credits_text(self.rate_per_hour),
            "formula": self.rate_words,
            "starts_in_s": self.starts_in_s,
            "gco2e": self.footprint.gco2e,
            "kwh": self.footprint.kwh,
            "carbon_basis": self.footprint.basis,
            "carbon_vintage": self.footprint.vintage,
            "cluster": {
                "workers_max": self.workers_max,
                "credits_max": credits_text(self.cluster_hold),
                "left": credits_text(self.left_with_cluster),
            },
        }


def check_minutes(minutes: int) -> None:
    """
    Let a length of session pass.

    :raises Malformed: outside 1 minute to 24 hours
    """
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not MINUTES_MIN <= minutes <= MINUTES_MAX:
        raise Malformed(f"Choose between {MINUTES_MIN} and {MINUTES_MAX} minutes.", field="minutes")


def quote(
    *, user: User, allocation: str, resource: str, profile: str, minutes: int, at: datetime, ask_site: bool = False
) -> Quote:
    """
    Work out the most a launch can cost. Nothing is set aside.

    :param ask_site: have a batch site estimate the start when no estimate is known; not inside a transaction
    :raises Refusal: everything a launch would be refused for, but not the balance: `left` may be negative here
    """
    check_minutes(minutes)
    granted = projects_read.allocation_get_for_user(user=user, code=allocation)
    projects_policy.check_may_spend(user=user, allocation=granted, at=at)
    size = profile_get(slug=profile)
    wanted = resource_get(slug=resource)
    covered = projects_read.covered_get(allocation=granted, resource=wanted.slug)
    check_resource_takes_launches(wanted, at=at)
    check_fits(wanted, size)
    registry.check("sessions.launch", allocation=granted, profile=size, at=at)
    last = datetime.combine(granted.ends_on + timedelta(days=1), datetime.min.time(), at.tzinfo)
    if at + timedelta(minutes=minutes) > last:
        left = int((last - at).total_seconds() // 60)
        raise Refusal(
            "exceeds_allocation_end",
            f"{granted.code} ends on {granted.ends_on}; choose at most {left} minutes.",
            minutes_max=left,
        )
    rate = covered.rate
    per_hour, worker_per_hour = rate_per_hour(rate, size.size), rate_per_hour(rate, size.worker_size)
    seconds = minutes * 60
    workers = size.workers_max
    return Quote(
        allocation=granted,
        resource=wanted,
        profile=size,
        minutes=minutes,
        rate=rate,
        rate_per_hour=per_hour,
        worker_rate_per_hour=worker_per_hour,
        hold=charge(rate_per_hour=per_hour, unit_seconds=seconds),
        available=balance(code=granted.account).available,
        cluster_hold=charge(rate_per_hour=worker_per_hour, unit_seconds=(workers + 1) * seconds),
        workers_max=workers,
        starts_in_s=starts_in(resource=wanted, profile=size, minutes=minutes, ask=ask_site),
        footprint=footprint(
            country=wanted.site.provider.country,
            cores=size.cores,
            gpus=size.gpus,
            watts_per_core=wanted.watts_per_core,
            watts_per_gpu=wanted.watts_per_gpu,
            pue=wanted.pue,
            seconds=seconds,
        ),
    )


def check_resource_takes_launches(resource: Resource, *, at: datetime) -> None:
    """
    Let a resource pass that can start something now.

    :raises Refusal: `resource_not_up`, `site_silent`, `site_clock`
    """
    site = resource.site
    if resource.status != Resource.Status.UP or not site.enabled:
        raise Refusal("resource_not_up", f"{resource} is in {resource.get_status_display().lower()}. Choose another resource.")
    if site.clock_skew_s is not None and abs(site.clock_skew_s) > SKEW_MAX_S:
        raise Refusal("site_clock", f"The clock of {resource} is off, so it takes no launches. The operator has been told.")
    if not settings.EMBEDDED and (site.looked_at is None or at - site.looked_at > SILENT_AFTER):
        raise Refusal("site_silent", f"{resource} does not answer just now. Choose another resource or try again later.")


def check_fits(resource: Resource, profile: Profile) -> None:
    """
    Let a size pass that the resource has.

    :raises Refusal: `profile_too_large`
    """
    if profile.cores > resource.cores or profile.memory_gib > resource.memory_gib or profile.gpus > resource.gpus:
        raise Refusal("profile_too_large", f"{resource} is smaller than the profile {profile.slug}. Choose a smaller one.")
