"""Texts for people that are made here and not in a template, so that templates can translate them.

A `Wording` is a text like any other.  It remembers what it was made of, which is what a catalogue
of translations knows:

    from wsgikit.model_collection.wording import Wording

    said = Wording("{count} rows were deleted.", count=3)
    assert said == "3 rows were deleted."
    assert (said.template, said.values) == ("{count} rows were deleted.", {"count": 3})
"""

from collections.abc import Mapping
from typing import Any


class Wording(str):
    """A text with gaps that are filled.

    Attributes:
        template: The text with its gaps, as `str.format` has them.
        values: What fills them, by name.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, **values: Any) -> "Wording":
        """Fill the gaps."""
        self = super().__new__(cls, template.format(**values))
        self.template = template
        self.values = values
        return self
