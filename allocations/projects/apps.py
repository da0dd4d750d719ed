from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "allocations.projects"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.menu("Allocations", "allocations:list", order=20)
        registry.card("dashboard", "allocations.projects.cards.balances", order=20)
        registry.seed("allocations.projects.seeds.seed", order=30)
        registry.sweep("allocations.projects.services.allocations_by_date", every_s=30)
        registry.sweep("allocations.projects.budget.budgets_watch", every_s=60)
        registry.sweep("allocations.projects.reclaim.reclaims_due", every_s=300)
