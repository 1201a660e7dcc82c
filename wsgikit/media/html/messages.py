"""Sentences that other parts make in English, and how they are said in another language."""

from typing import Any

from wsgikit.media.html.languages import Language


def translate(language: Language, text: Any) -> str:
    """Translate a sentence.

    Args:
        language: Of whoever reads it.
        text: What remembers what it was made of has a `template`, with gaps as `str.format`
            has them, and the `values` that fill them.
    """
    template = getattr(text, "template", None)
    if not isinstance(template, str):
        return language.gettext(str(text))
    values = {name: _spoken(language, value) for name, value in text.values.items()}
    return language.texts.gettext(template).format(**values)


def _spoken(language: Language, value: Any) -> Any:
    if type(value) is int:
        return language.number(value)
    return translate(language, value) if hasattr(value, "template") else value
