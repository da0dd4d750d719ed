from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    name = "allocations.applications"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.menu("Applications", "applications:list", order=30)
        registry.card("organisation", "allocations.applications.cards.on_organisation", order=10)
        registry.card("dashboard", "allocations.applications.cards.on_dashboard", order=8)
        registry.card("call", "allocations.applications.cards.on_call", order=10)
        registry.card("application", "allocations.applications.cards.screening_on_application", order=40)
        registry.card("application-side", "allocations.applications.cards.rules_on_application", order=5)
        registry.card("call-preview", "allocations.applications.cards.form_preview", order=10)
        registry.card("application", "allocations.applications.messages.on_application", order=40)
        registry.card("allocation", "allocations.applications.messages.on_allocation", order=60)
        registry.sweep("allocations.applications.services.applications_expire", every_s=3600)
        registry.sweep("allocations.applications.messages.questions_remind", every_s=600)
        registry.sweep("allocations.applications.files.files_scan_due", every_s=10)
        registry.sweep("allocations.applications.files.files_orphaned", every_s=600)
