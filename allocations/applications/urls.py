from django.urls import path

from . import extras_views, messages, views

app_name = "applications"
urlpatterns = [
    path("applications/", views.application_list, name="list"),
    path("apply/<slug:slug>/", views.new, name="new"),
    path("applications/<str:code>/", views.detail, name="detail"),
    path("applications/<str:code>/edit/<int:step>/", views.edit, name="edit"),
    path("applications/<str:code>/edit/<int:step>/save/", views.autosave, name="autosave"),
    path("applications/<str:code>/files/", extras_views.files_page, name="files"),
    path("applications/<str:code>/files/<int:pk>/", extras_views.file_read, name="file"),
    path("applications/<str:code>/files/<slug:key>/add/", extras_views.file_add, name="file_add"),
    path("applications/<str:code>/files/<slug:key>/remove/", extras_views.file_remove, name="file_remove"),
    path("applications/<str:code>/screening/", extras_views.screening_page, name="screening"),
    path("applications/<str:code>/check/", views.check, name="check"),
    path("applications/<str:code>/submit/", views.submit, name="submit"),
    path("applications/<str:code>/renew/", views.renew, name="renew"),
    path("applications/<str:code>/withdraw/", views.withdraw, name="withdraw"),
    path("applications/<str:code>/person/", views.person, name="person"),
    path("applications/<str:code>/return/", views.give_back, name="return"),
    path("applications/<str:code>/again/", views.again, name="again"),
    path("applications/<str:code>/history/", views.history_page, name="history"),
    path("applications/<str:code>/message/", messages.message, name="message"),
    path("allocations/<str:code>/message/", messages.allocation_message, name="allocation_message"),
]
