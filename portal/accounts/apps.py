from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "portal.accounts"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.seed("portal.accounts.seeds.seed", order=10)
        registry.menu("People", "people", order=55, role="operator")
