from django.apps import AppConfig


class StorageConfig(AppConfig):
    name = "notebooks_svc.storage"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.health("notebooks_svc.storage.vending.check_store")
        registry.listen("datasets.access_changed", "notebooks_svc.storage.denials.denials_now")
        registry.sweep("notebooks_svc.storage.denials.denials_sync", every_s=5)
        registry.sweep("notebooks_svc.storage.oplog.log_read_due", every_s=15)
