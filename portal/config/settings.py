"""Django settings. What a person may choose comes from `environment.py`; everything else is decided here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF

from portal.core.keys import key_file, signing_key_file

from .environment import environment_read

ENV = environment_read()
ROOT = Path(__file__).resolve().parents[2]
HOME = ENV.home
EMBEDDED = ENV.mode == "embedded"
DEMO = EMBEDDED and ENV.demo
SITE = ENV.site  # what `up` runs notebooks on: processes of this machine, or a Slurm site in a box
DEBUG = False
HOME.mkdir(mode=0o700, parents=True, exist_ok=True)

PORTAL_URL, NOTEBOOKS_URL, FILES_URL = ENV.portal_url, ENV.notebooks_url, ENV.files_url
PORT_BASE = ENV.port_base

# --- secrets: one file each, private to the owner of the state folder -------------------------------------------------
SECRET_KEY = key_file(HOME, "secret_key")
SITE_TOKEN = key_file(HOME, "site_token")  # hub, gateway and agent speak to the portal with it, and the portal to the agent
HUB_SERVICE_TOKEN = key_file(HOME, "hub_service_token")  # the portal speaks to the hub with it
GATEWAY_SERVICE_TOKEN = key_file(HOME, "gateway_service_token")  # the gateway asks the hub who a token belongs to
SESSION_TOKEN_KEY = key_file(HOME, "session_token_key")  # tokens that notebooks and workers carry
OBJECTS_KEY = key_file(HOME, "objects_key")  # signed links of the file store
LEDGER_ROOT_KEY = key_file(HOME, "ledger_root_key")  # signs the daily root of the ledger
OIDC_CLIENT_SECRET = key_file(HOME, "oidc_client_secret")
INSTANCE_ID = key_file(HOME, "instance_id")[:12]  # marks everything this portal starts at a site

# --- applications -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.sites",
    "django.forms",
    "csp",
    "portal.core",
    "portal.web",
    "portal.objects",
    "portal.audit",
    "portal.accounts",
    "portal.threads",
    "portal.organisations",
    "portal.api",
    "allauth",  # after our rooms, whose templates come first
    "allauth.account",
    "allauth.mfa",
    "allauth.idp.oidc",
    "allocations.ledger",
    "allocations.catalogue",
    "allocations.projects",
    "allocations.usage",
    "allocations.datasets",
    "allocations.calls",
    "allocations.reports",
    "allocations.applications",
    "allocations.reviews",
    "allocations.awards",
    "notebooks_svc.sessions",
    "notebooks_svc.storage",
    "notebooks_svc.batch",
]
SITE_ID = 1
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "portal.config.urls"
WSGI_APPLICATION = "portal.config.wsgi.application"

MIDDLEWARE = [
    "portal.core.hosts.OwnHostMiddleware",  # first: a request for another name is answered before any cookie is read
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.web.middleware.CharacterMiddleware",
    "portal.web.middleware.RefusalMiddleware",
    "portal.api.middleware.IdempotencyMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.context.page",
            ],
            "builtins": ["portal.web.templatetags.commons"],
        },
    }
]
FORM_RENDERER = "portal.web.rendering.FormRenderer"

# --- databases --------------------------------------------------------------------------------------------------------
# Sessions and cache entries come and go with every page; on SQLite they live in a file of their own, so that writing them
# never waits for the ledger.
SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;",
}


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise SystemExit(f"commons: COMMONS_DATABASE_URL must begin with postgresql:// (it begins with {parts.scheme}://).")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"prepare_threshold": 3},  # the ledger's few statements are planned once per connection
    }


if ENV.database_url:
    DATABASES = {"default": _database(ENV.database_url)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": HOME / "portal.sqlite3",
            "OPTIONS": SQLITE_OPTIONS,
            "CONN_MAX_AGE": None,
        },
        "volatile": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": HOME / "volatile.sqlite3",
            "OPTIONS": SQLITE_OPTIONS,
            "CONN_MAX_AGE": None,
        },
    }
    DATABASE_ROUTERS = ["portal.core.routers.VolatileRouter"]

if ENV.cache_url:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ENV.cache_url}
    }
else:
    # OpenID Connect codes live in the cache: it must be shared by all processes and must not drop entries early.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
CACHES["local"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}  # counts of this process alone

# --- people -----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["portal.accounts.backends.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_ADAPTER = "portal.accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "portal.accounts.forms.SignupDetails"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# --- the hub signs people in here -------------------------------------------------------------------------------------
IDP_OIDC_PRIVATE_KEY = signing_key_file(HOME)
IDP_OIDC_ADAPTER = "portal.accounts.identity.IdentityAdapter"
IDP_OIDC_RP_INITIATED_LOGOUT_ASKS_FOR_OP_LOGOUT = False

# --- hosts, cookies, headers ------------------------------------------------------------------------------------------
PORTAL_HOST = urlsplit(PORTAL_URL).netloc
FILES_HOST = urlsplit(FILES_URL).netloc
NOTEBOOKS_HOST = urlsplit(NOTEBOOKS_URL).netloc
OWN_HOST = PORTAL_HOST  # the file store's settings replace it
ALLOWED_HOSTS = ["*"]  # OwnHostMiddleware has compared the whole name, port included, before
SECURE = urlsplit(PORTAL_URL).scheme == "https"
SESSION_COOKIE_NAME = "__Host-portal_session" if SECURE else "portal_session"
CSRF_COOKIE_NAME = "__Host-portal_csrf" if SECURE else "portal_csrf"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_FAILURE_VIEW = "portal.web.views.csrf_failure"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "style-src": [SELF],
        "script-src": [SELF],
        "connect-src": [SELF, FILES_URL],  # files go straight from the browser to the store
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # The hub's sign-in sends the browser on from the portal's own form: Chromium applies form-action to redirects too.
        "form-action": [SELF, NOTEBOOKS_URL, FILES_URL],
    }
}

# --- static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 31_536_000

# --- objects: where datasets lie --------------------------------------------------------------------------------------
OBJECTS_ROOT = HOME / "objects"  # unless COMMONS_OBJECTS_URL names an S3 store
OBJECTS_URL, OBJECTS_REGION = ENV.objects_url.rstrip("/"), ENV.objects_region
OBJECTS_ACCESS_KEY, OBJECTS_SECRET_KEY = ENV.objects_access_key, ENV.objects_secret_key.get_secret_value()
OBJECTS_ROLE, OBJECTS_BUCKET_PREFIX = ENV.objects_role, ENV.objects_bucket_prefix
OBJECTS_CREDENTIAL_S = ENV.objects_credential_s
OBJECTS_CA = str(ENV.objects_ca or "")
# The store's log of operations, where this machine can read it. The file store writes its own.
OBJECTS_LOG = str(ENV.objects_log or ("" if OBJECTS_URL else HOME / "logs" / "reads.json"))

MALWARE_DATABASE = str(ENV.malware_database or "")
STORAGE_QUOTA_BYTES, STORAGE_FREE_BYTES = ENV.storage_quota_gib * 2**30, ENV.storage_free_gib * 2**30
STORAGE_GIB_HOUR = int(ENV.storage_gib_hour * 1_000_000)  # micro-credits
IDLE_MINUTES = ENV.idle_minutes
SITE_CA = str(ENV.site_ca or "")
BATCH_SETTLE_EVERY_S = ENV.batch_settle_every_s

# --- mail -------------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = "Compute Commons <no-reply@commons.example>"
OUTBOX_SHOWN = EMBEDDED
if EMBEDDED:
    EMAIL_BACKEND = "portal.audit.outbox.OutboxBackend"
elif ENV.email_url:
    _mail = urlsplit(ENV.email_url)
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or 587
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_TLS = _mail.scheme == "smtp+tls"

# --- background work --------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = ENV.broker_url or "filesystem://"
if not ENV.broker_url:
    _queue = HOME / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "processed_folder": str(_queue / "processed"),
        "polling_interval": 0.05,
    }
    for _folder in ("messages", "control", "processed"):
        (_queue / _folder).mkdir(parents=True, exist_ok=True)
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60, "unacked_restore_interval": 5, "unacked_restore_throttle": 1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- the site next door (embedded) ------------------------------------------------------------------------------------
HUB_INTERNAL_URL = f"http://127.0.0.1:{PORT_BASE + 101}"
AGENT_URL = f"http://127.0.0.1:{PORT_BASE + 103}"
GATEWAY_INTERNAL_URL = f"http://127.0.0.1:{PORT_BASE + 111}"

# --- words and times --------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": ENV.log_level},
    "loggers": {"httpx": {"level": "WARNING"}},  # a line per call says nothing
}
SILENCED_SYSTEM_CHECKS: list[str] = []
