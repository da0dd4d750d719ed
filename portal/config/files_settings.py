"""Settings of the file store: the portal's, but its own name, its own few addresses, and nothing that reads a cookie."""

from .settings import *  # noqa: F403
from .settings import FILES_HOST

OWN_HOST = FILES_HOST
ROOT_URLCONF = "portal.objects.urls"
WSGI_APPLICATION = "portal.config.files_wsgi.application"
MIDDLEWARE = [
    "portal.core.hosts.OwnHostMiddleware",
    "allauth.account.middleware.AccountMiddleware",  # allauth does not start without it; it reads nothing here
]
