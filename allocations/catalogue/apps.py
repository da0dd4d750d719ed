from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "allocations.catalogue"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.seed("allocations.catalogue.seeds.seed", order=20)
