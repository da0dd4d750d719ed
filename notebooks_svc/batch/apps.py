from django.apps import AppConfig


class BatchConfig(AppConfig):
    name = "notebooks_svc.batch"

    def ready(self) -> None:
        from notebooks_svc.sessions.mirror import mirror_more
        from notebooks_svc.sessions.outages import outages_touch_more
        from portal.web.registry import registry

        outages_touch_more("notebooks_svc.batch.outages.holds_touched")
        mirror_more("notebooks_svc.batch.mirror.mirror_wanted", "notebooks_svc.batch.mirror.mirror_heard")
        registry.sweep("notebooks_svc.batch.collecting.batch_collect_soon", every_s=10)
        registry.sweep("notebooks_svc.batch.ending.batch_advance_due", every_s=10)
        registry.sweep("notebooks_svc.batch.ending.no_longer_allowed", every_s=10)
        registry.card("allocation", "notebooks_svc.batch.cards.on_allocation", order=15)
