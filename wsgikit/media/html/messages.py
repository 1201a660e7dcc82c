"""Sentences that other parts make in English, and how they are said in another language."""

from wsgikit.media.html.languages import Language


def translate(language: Language, text: str) -> str:
    """Translate a sentence."""
    return language.gettext(text)
