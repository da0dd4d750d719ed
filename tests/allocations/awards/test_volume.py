"""The programme that pages are measured on is a right one, and no page asks more because there is more."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client

from allocations.applications.models import Application
from allocations.awards import volume
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind
from allocations.ledger.verify import verify
from allocations.projects.models import Allocation
from allocations.reviews.models import Review
from portal.organisations.models import Organisation
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")
PAGES = ("/", "/queue/", "/queue/panel/build/", "/applications/P-V1000/", "/awards/", "/awards/figures/", "/reports/")


def test_a_programme_of_size_is_right_and_its_pages_stay_cheap(
    programme: Programme, django_assert_max_num_queries: Any
) -> None:
    ledger.account_open(code="issuer:commons", kind=AccountKind.ISSUER)
    for _ in range(2):
        volume.seed(percent=2)
    counts = (Allocation.objects.count(), Application.objects.count(), Review.objects.count())
    assert counts == (100, 20 + 10, 20)
    verify(chain=True)
    # The size class looks at earlier years, too.
    Organisation.objects.update(accounts_end_on=programme.now.date())
    officer = Client(headers={"host": settings.PORTAL_HOST})
    officer.force_login(programme.officer)
    for path in PAGES:
        caches["local"].clear()
        with django_assert_max_num_queries(15):
            assert officer.get(path).status_code == 200
