from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "allocations.calls"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.menu("Calls", "calls:list", order=40, public=True)
        registry.seed("allocations.calls.seeds.seed", order=32)
