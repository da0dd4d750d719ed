"""How much to ask for: the working leads to the number."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client

from allocations.calls.estimator import by_model, by_runs


def test_from_runs() -> None:
    found = by_runs(runs=20, hours_each=Decimal("2.5"), devices=4, overhead_percent=25, credits_hour=Decimal(6))
    assert (found.hours, found.credits) == (Decimal(250), Decimal(1500))
    assert found.working[0] == "20 runs × 2.5 hours × 4 devices = 200.0 hours"
    assert by_runs(runs=1, hours_each=Decimal(1), devices=1, overhead_percent=0, credits_hour=Decimal(1)).warnings


def test_from_a_model() -> None:
    # 6 × 7e9 × 1e9 = 4.2e19 FLOP; an A100 at 35 % does 1.092e14 a second: 106.8 hours, a quarter more is 133.6.
    found = by_model(
        task="tune",
        parameters_billion=Decimal(7),
        tokens_billion=Decimal(1),
        device="a100",
        used_percent=35,
        overhead_percent=25,
        credits_hour=Decimal(60),
    )
    assert found.hours == Decimal("133.6")
    assert found.credits == Decimal("8016.0")
    assert not found.warnings


@pytest.mark.parametrize(
    ("tokens", "words"),
    [(Decimal(700), ""), (Decimal(1200), "over half of the 1.00 × 10^23"), (Decimal(2400), "pass the 1.00 × 10^23")],
)
def test_a_training_that_the_law_counts_is_told(tokens: Decimal, words: str) -> None:
    found = by_model(
        task="train",
        parameters_billion=Decimal(7),
        tokens_billion=tokens,
        device="h100",
        used_percent=40,
        overhead_percent=20,
        credits_hour=Decimal(100),
    )
    assert bool(found.warnings) is bool(words)
    assert words in " ".join(found.warnings)


@pytest.mark.django_db(databases="__all__")
def test_the_page_works_it_out_without_signing_in(settings_plain: None) -> None:
    client = Client(headers={"host": settings.PORTAL_HOST})
    query = "by=runs&runs-runs=20&runs-hours_each=2&runs-devices=1&runs-overhead_percent=25&runs-credits_hour=6"
    page = client.get(f"/calls/estimate/?{query}").content.decode()
    assert "50 hours" in page
    assert "300 credits" in page
    wrong = client.get("/calls/estimate/?by=runs&runs-runs=-3").content.decode()
    assert "errorlist" in wrong
    for hostile in ("by=model&model-device=abacus", "by=runs&runs-runs=1e99", "by=\x00"):
        assert client.get(f"/calls/estimate/?{hostile}").status_code == 200


@pytest.fixture
def settings_plain(settings: object) -> None:
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # type: ignore[attr-defined]
