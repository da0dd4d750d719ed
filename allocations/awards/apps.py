from django.apps import AppConfig


class AwardsConfig(AppConfig):
    name = "allocations.awards"

    def ready(self) -> None:
        from allocations.applications.api import EXTRAS
        from allocations.projects import giving
        from portal.web.registry import registry

        EXTRAS.append("allocations.awards.selectors.api_extras")
        giving.CHECKS.append("allocations.awards.growing.check_within_rules")
        giving.NOTES.append("allocations.awards.growing.gift_note")
        giving.CLOSED.append("allocations.awards.aid.aid_settle")
        registry.volume("allocations.awards.volume.seed")
        registry.menu("Queue", "awards:queue", order=32, role="officer")
        registry.menu("Awards", "awards:register", order=45, public=True)
        registry.card("application-side", "allocations.awards.cards.pace_on_application", order=10)
        registry.card("application-side", "allocations.awards.cards.embargo_on_application", order=20)
        registry.card("organisation", "allocations.awards.cards.aid_on_organisation", order=80)
        registry.card("dashboard", "allocations.awards.cards.questions_on_dashboard", order=3)
        registry.card("dashboard", "allocations.awards.cards.on_dashboard", order=4)
        registry.card("application", "allocations.awards.cards.decision_on_application", order=5)
        registry.card("application", "allocations.awards.cards.deciding_on_application", order=30)
        registry.card("application", "allocations.awards.cards.rest_on_application", order=6)
        registry.card("allocation", "allocations.awards.cards.aftercare_on_allocation", order=55)
        registry.sweep("allocations.awards.rests.rests_return", every_s=600)
        registry.sweep("allocations.awards.automatic.decide_due", every_s=10)
        registry.sweep("allocations.awards.lapsing.bursts_lapse", every_s=600)
        registry.sweep("allocations.awards.lapsing.idle_notices", every_s=3600)
        registry.sweep("allocations.awards.lapsing.leftovers_carry", every_s=600)
