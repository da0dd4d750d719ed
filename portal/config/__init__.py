# Whoever loads the settings (web, reconciler, commands) puts messages on our queue, not on Celery's default one.
from .celery import app as celery_app

__all__ = ["celery_app"]
