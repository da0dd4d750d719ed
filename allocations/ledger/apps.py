from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LedgerConfig(AppConfig):
    name = "allocations.ledger"

    def ready(self) -> None:
        from portal.web.registry import registry

        from . import guards

        post_migrate.connect(guards.triggers_install, sender=self)
        registry.health("allocations.ledger.guards.check_triggers")
        registry.sweep("allocations.ledger.services.holds_expire", every_s=5)
        registry.sweep("allocations.ledger.roots.root_seal_due", every_s=300)
        registry.sweep("allocations.ledger.services.providers_roll_up", every_s=60)
