from django.urls import path

from . import steward_views, views

app_name = "datasets"
urlpatterns = [
    path("datasets/", views.dataset_list, name="list"),
    path("datasets/<slug:slug>/", views.detail, name="detail"),
    path("datasets/<slug:slug>/ask/", views.ask, name="ask"),
    path("datasets/<slug:slug>/croissant.jsonld", views.croissant_file, name="croissant"),
    path("datasets/<slug:slug>/files/<path:path>", views.download, name="download"),
    path("dataset-requests/", steward_views.queue, name="queue"),
    path("dataset-requests/<int:pk>/", steward_views.decide, name="decide"),
    path("dataset-requests/many/", steward_views.decide_many, name="decide_many"),
    path("dataset-requests/delegate/", steward_views.delegate, name="delegate"),
    path("agreements/<int:pk>/", views.agreement, name="agreement"),
    path("dataset-requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
]
