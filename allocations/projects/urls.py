from django.urls import path

from . import views

app_name = "allocations"
urlpatterns = [
    path("allocations/", views.allocation_list, name="list"),
    path("allocations/all/", views.officer_list, name="all"),
    path("allocations/<str:code>/", views.detail, name="detail"),
    path("allocations/<str:code>/statement/", views.statement_page, name="statement"),
    path("allocations/<str:code>/statement.<str:form>", views.statement_file, name="statement_file"),
    path("allocations/<str:code>/change/<slug:name>/", views.deed, name="deed"),
]
