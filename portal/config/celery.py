"""The Celery application. A message only says "look at what is due"; rows hold the truth."""

import os

from celery import Celery
from celery.signals import worker_ready

from portal.core.broker import whole_messages

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
whole_messages()
app = Celery("commons")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    "pulse": {"task": "portal.web.tasks.pulse", "schedule": 10.0, "options": {"expires": 10}},
    "sweep": {"task": "portal.web.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
}


@worker_ready.connect
def _first_pulse(**_: object) -> None:
    from portal.core.pulse import pulse

    pulse("worker")
