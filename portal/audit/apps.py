from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "portal.audit"

    def ready(self) -> None:
        from portal.web.registry import registry

        registry.sweep("portal.audit.services.letters_send", every_s=2)
