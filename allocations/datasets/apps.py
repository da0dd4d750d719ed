from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "allocations.datasets"

    def ready(self) -> None:
        from portal.objects.tickets import ticket_kind
        from portal.web.registry import registry

        registry.menu("Datasets", "datasets:list", order=40, public=True)
        registry.menu("Data requests", "datasets:queue", order=45, role="steward")
        registry.card("dashboard", "allocations.datasets.cards.queue", order=8)
        registry.card("dashboard", "allocations.datasets.cards.waiting_for_you", order=9)
        registry.card("allocation", "allocations.datasets.cards.on_allocation", order=30)
        registry.seed("allocations.datasets.seeds.seed", order=40)
        registry.sweep("allocations.datasets.services.accesses_by_date", every_s=60)
        registry.sweep("allocations.datasets.checking.uploads_due", every_s=10)
        registry.sweep("allocations.datasets.counting.counts_renew", every_s=60)
        registry.sweep("allocations.datasets.agreements.agreements_orphaned", every_s=3600)
        ticket_kind("u", "allocations.datasets.uploading.ticket_check")
        ticket_kind("a", "allocations.datasets.agreements.ticket_check")
        ticket_kind("p", "allocations.datasets.downloads.ticket_check")
