"""The demo's three enterprises."""

from __future__ import annotations

from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.models import User
from portal.accounts.seeds import demo_email

from . import services
from .models import Membership, Organisation, OrgRole

# Registry numbers with right check digits, of no real firm we know of.
FOUNDERS_FIRM = {
    "name": "Savanna Grid Analytics Ltd",
    "country": "KE",
    "registry_id": "P051365947M",
    "headcount": 7,
    "turnover_eur": 310_000,
    "balance_sheet_eur": 120_000,
}
RIVALS_FIRM = {
    "name": "Nordlys Fisk ApS",
    "country": "DK",
    "registry_id": "13585628",
    "headcount": 38,
    "turnover_eur": 6_400_000,
    "balance_sheet_eur": 3_900_000,
}
THIRD_FIRM = {
    "name": "Cortiça Azul Lda",
    "country": "PT",
    "registry_id": "PT501964843",
    "headcount": 121,
    "turnover_eur": 18_000_000,
    "balance_sheet_eur": 9_000_000,
}
THIRD_OWNER = "maria@cortica-azul.example"


def seed(*, demo: bool) -> None:
    """Write the three enterprises and their people; safe to repeat."""
    if not demo:
        return
    now = timezone.now()
    accounts.person_create(email=THIRD_OWNER, full_name="Maria Duarte", password=None, verified=True, at=now)
    for email, facts in (
        (demo_email("founder"), FOUNDERS_FIRM),
        (demo_email("rival"), RIVALS_FIRM),
        (THIRD_OWNER, THIRD_FIRM),
    ):
        owner = User.objects.get(email=email)
        if not Membership.objects.filter(user=owner).exists():
            services.organisation_create(by=owner, at=now, **facts)  # type: ignore[arg-type]
    firm = Organisation.objects.get(name=FOUNDERS_FIRM["name"])
    colleague = User.objects.get(email=demo_email("colleague"))
    if not Membership.objects.filter(user=colleague).exists():
        Membership.objects.create(organisation=firm, user=colleague, role=OrgRole.MEMBER, joined_at=now)
