from django.apps import AppConfig


class OrganisationsConfig(AppConfig):
    name = "portal.organisations"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.menu("Enterprise", "organisations:mine", order=60)
        registry.seed("portal.organisations.seeds.seed", order=15)
        registry.card("dashboard", "portal.organisations.cards.first_steps", order=5)
        registry.card("dashboard", "portal.organisations.cards.to_verify", order=20)
