"""Forms drawn with our own elements (templates/elements/)."""

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    form_template_name = "elements/form.html"
    field_template_name = "elements/field.html"
