from django.apps import AppConfig


class StorageConfig(AppConfig):
    name = "notebooks_svc.storage"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.health("notebooks_svc.storage.vending.check_store")
        registry.guard("sessions.launch", "notebooks_svc.storage.keeping.check_room")
        registry.listen("datasets.access_changed", "notebooks_svc.storage.denials.denials_now")
        registry.sweep("notebooks_svc.storage.denials.denials_sync", every_s=5)
        registry.sweep("notebooks_svc.storage.vending.store_watch", every_s=60)
        registry.sweep("notebooks_svc.storage.oplog.log_read_due", every_s=15)
        registry.sweep("notebooks_svc.storage.keeping.keepings_due", every_s=60)
        registry.sweep("notebooks_svc.storage.ending.endings_due", every_s=3600)
        registry.card("allocation", "notebooks_svc.storage.cards.on_allocation", order=20)
        registry.along("allocation", "keeping")
