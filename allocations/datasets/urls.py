from django.urls import path

from . import contribute_views, steward_views, upload_views, views

app_name = "datasets"
urlpatterns = [
    path("datasets/", views.dataset_list, name="list"),
    path("datasets/catalogue.jsonld", views.catalogue_file, name="catalogue"),
    path("sitemap.xml", views.sitemap, name="sitemap"),
    path("datasets/<slug:slug>/dcat.jsonld", views.dcat_file, name="dcat"),
    path("datasets/offer/", contribute_views.offer, name="offer"),
    path("datasets/<slug:slug>/", views.detail, name="detail"),
    path("datasets/<slug:slug>/ask/", views.ask, name="ask"),
    path("datasets/<slug:slug>/croissant.jsonld", views.croissant_file, name="croissant"),
    path("datasets/<slug:slug>/files/<path:path>", views.download, name="download"),
    path("datasets/<slug:slug>/manage/", contribute_views.manage, name="manage"),
    path("datasets/<slug:slug>/edit/", contribute_views.edit, name="edit"),
    path("datasets/<slug:slug>/withdraw/", contribute_views.withdraw, name="dataset_withdraw"),
    path("datasets/<slug:slug>/versions/", contribute_views.version_new, name="version_new"),
    path("datasets/<slug:slug>/versions/<str:name>/", contribute_views.review, name="review"),
    path("datasets/<slug:slug>/versions/<str:name>/submit/", contribute_views.submit, name="submit"),
    path("datasets/<slug:slug>/versions/<str:name>/send/", contribute_views.file_send, name="file_send"),
    path("datasets/<slug:slug>/versions/<str:name>/remove/", contribute_views.file_remove, name="file_remove"),
    path("datasets/<slug:slug>/versions/<str:name>/live/", contribute_views.upload_live, name="upload_live"),
    path("datasets/<slug:slug>/versions/<str:name>/uploads/", upload_views.begin, name="upload_begin"),
    path("dataset-uploads/<int:pk>/", upload_views.look, name="upload_look"),
    path("dataset-uploads/<int:pk>/complete/", upload_views.complete, name="upload_complete"),
    path("dataset-requests/", steward_views.queue, name="queue"),
    path("dataset-requests/<int:pk>/", steward_views.decide, name="decide"),
    path("dataset-requests/many/", steward_views.decide_many, name="decide_many"),
    path("dataset-requests/delegate/", steward_views.delegate, name="delegate"),
    path("agreements/<int:pk>/", views.agreement, name="agreement"),
    path("dataset-requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
]
