from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "notebooks_svc.sessions"
    label = "launches"  # `sessions` is Django's own label for web sessions

    def ready(self) -> None:
        from portal.objects.tickets import ticket_kind
        from portal.web.registry import registry

        ticket_kind("s", "notebooks_svc.sessions.data.ticket_check")
        registry.menu("Notebooks", "sessions:list", order=10)
        registry.menu("Outages", "sessions:outages", order=56, role="operator")
        registry.card("dashboard", "notebooks_svc.sessions.cards.running", order=10)
        registry.card("dashboard", "notebooks_svc.sessions.cards.outages_told", order=12)
        registry.card("allocation", "notebooks_svc.sessions.cards.on_allocation", order=10)
        registry.sweep("notebooks_svc.sessions.advance.sessions_advance_due", every_s=1)
        registry.sweep("notebooks_svc.sessions.clusters.clusters_advance_due", every_s=5)
        registry.sweep("notebooks_svc.sessions.idle.idle_sessions", every_s=60)
        registry.sweep("notebooks_svc.sessions.outages.outages_refund_due", every_s=60)
        registry.sweep("notebooks_svc.sessions.mirror.sites_mirror_soon", every_s=20)
        registry.sweep("notebooks_svc.sessions.watch.no_longer_allowed", every_s=10)
