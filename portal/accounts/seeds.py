"""The hub's client row, and in the demo the people everybody signs in as."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.utils import timezone

from portal.core.keys import key_write

from . import services
from .identity import hub_client_write
from .models import Role

DEMO_PEOPLE: dict[str, tuple[str, list[Role]]] = {
    "founder": ("Amina Wanjiru", []),
    "colleague": ("Brian Otieno", []),
    "rival": ("Clara Jensen", []),
    "reviewer-a": ("Ravi Menon", [Role.REVIEWER]),
    "reviewer-b": ("Rosa Lindqvist", [Role.REVIEWER]),
    "officer": ("Olga Marković", [Role.OFFICER]),
    "steward": ("Stephen Adeyemi", [Role.STEWARD]),
    "operator": ("Ottilie Brandt", [Role.OPERATOR]),
}
DEMO_ZONES = {"founder": "Africa/Nairobi", "colleague": "Africa/Nairobi", "rival": "Europe/Copenhagen"}


def demo_email(name: str) -> str:
    """The address of a demo person."""
    return f"{name}@commons.example"


def demo_password() -> str:
    """The demo people's password: random per state folder, kept in a 0600 file there."""
    path = settings.HOME / "keys" / "demo_password"
    if path.exists():
        return path.read_text()
    words = "-".join(secrets.token_hex(2) for _ in range(3))
    return key_write(path, words)


def seed(*, demo: bool) -> None:
    """Write the hub's client; in the demo, the eight people and their roles."""
    hub_client_write()
    if not demo:
        return
    now = timezone.now()
    for name, (full_name, roles) in DEMO_PEOPLE.items():
        person = services.person_create(
            email=demo_email(name), full_name=full_name, password=demo_password(), verified=True, at=now
        )
        if person.time_zone == "UTC" and name in DEMO_ZONES:
            person.time_zone = DEMO_ZONES[name]
            person.save(update_fields=["time_zone"])
        for role in roles:
            services.role_grant(user=person, role=role, by=None, at=now)
