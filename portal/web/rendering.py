"""Forms are drawn by our own field template everywhere: label, help, control, error, in reading order."""

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Use the project's templates for forms and fields."""

    form_template_name = "web/components/form.html"
    field_template_name = "web/components/field.html"
