from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "allocations.projects"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.menu("Allocations", "allocations:list", order=20)
        registry.card("dashboard", "allocations.projects.cards.balances", order=20)
        registry.seed("allocations.projects.seeds.seed", order=30)
        registry.sweep("allocations.projects.services.allocations_by_date", every_s=30)
