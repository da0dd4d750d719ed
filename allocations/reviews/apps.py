from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "allocations.reviews"

    def ready(self) -> None:
        from allocations.applications.selectors import READERS
        from portal.web.registry import registry

        READERS.append("allocations.reviews.selectors.readable_applications")
        registry.sweep("allocations.reviews.reminders.reviews_remind", every_s=3600)
        registry.menu("Reviews", "reviews:list", order=34, role="reviewer")
        registry.card("dashboard", "allocations.reviews.cards.on_dashboard", order=6)
        registry.card("application", "allocations.reviews.cards.steps_on_application", order=15)
        registry.card("application", "allocations.reviews.cards.on_application", order=20)
