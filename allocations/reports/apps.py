from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "allocations.reports"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.card("dashboard", "allocations.reports.cards.on_dashboard", order=25)
        registry.card("allocation", "allocations.reports.cards.on_allocation", order=50)
        registry.sweep("allocations.reports.services.reports_by_date", every_s=3600)
