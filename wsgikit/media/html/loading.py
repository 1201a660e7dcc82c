"""Templates: found in a project's directories or among ours, checked, translated and compiled.

They are compiled once.  A page of a project's is compiled anew when a file that it was made of
has changed, or may now be found elsewhere; ours do not change while a program runs.

How a template gets faster than Genshi makes it: what it includes becomes a part of it, and what
depends on nothing is written as markup when it is loaded, rather than with every page.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from genshi.core import COMMENT, END, START, TEXT, Markup
from genshi.filters.i18n import Translator
from genshi.template import MarkupTemplate, TemplateNotFound, TemplateSyntaxError
from genshi.template.base import EXPR, INCLUDE, SUB
from genshi.template.directives import AttrsDirective, MatchDirective, StripDirective

from wsgikit.media.html.languages import BUILT_IN, Language
from wsgikit.media.html.serializing import GAP, RAW, SPACED, fragment

#: Attributes that are texts.
TEXT_ATTRIBUTES = Translator.INCLUDE_ATTRS | {"aria-label", "placeholder"}


class Templates:
    """The templates of one language.

    Args:
        directories: Where a project's are, in order; they need not exist yet.
        language: What they are translated to.

    The name ``wsgikit/list.html`` is always ours.
    """

    def __init__(self, directories: Sequence[Path], language: Language) -> None:
        self._directories = directories
        self._translator = Translator(language.texts, include_attrs=TEXT_ATTRIBUTES)
        self._edition = _Edition(directories, self._translator)

    def load(self, name: str) -> MarkupTemplate:
        """Give a template, ready to be rendered by several threads at once.

        Raises:
            TemplateNotFound: There is none of that name, or one that it includes is missing.
            TemplateSyntaxError: It cannot be read, or would leave something unescaped.
        """
        if self._edition.has_changed():
            self._edition = _Edition(self._directories, self._translator)
        return self._edition.load(name)

    def has(self, name: str) -> bool:
        """Whether there is a template of that name."""
        return find(name, self._directories) is not None


class _Edition:
    """Templates as they were at one time: what Genshi calls a loader."""

    #: Tells Genshi that what is included may become a part of what includes it.
    auto_reload = False

    def __init__(self, directories: Sequence[Path], translator: Translator) -> None:
        self._directories = directories
        self._translator = translator
        self._made: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._lock = RLock()

    def has_changed(self) -> bool:
        """Whether a file, or a directory that a file might appear in, is not as it was."""
        return any(_state(path) != state for path, state in [*self._seen.items()])

    def load(self, name: str, relative_to: str | None = None, cls: Any = None) -> Any:
        """Give a template by its name, which may be relative to another's."""
        name = os.path.normpath(os.path.join(os.path.dirname(relative_to or ""), name))
        with self._lock:
            return self._made.get(name) or self._make(name, cls or MarkupTemplate, relative_to)

    def _make(self, name: str, cls: Any, included_by: str | None) -> Any:
        path = self._find(name, included_by)
        # Includes are relative to the name: those of a built-in page may be a project's own.
        own = name.removeprefix(_OURS)
        with path.open("rb") as file:
            made = cls(file, filepath=str(path), filename=own, loader=self, allow_exec=False)
        # It may include itself.
        self._made[name] = made
        try:
            self._prepare(made)
        except BaseException:
            del self._made[name]
            raise
        return made

    def _find(self, name: str, included_by: str | None) -> Path:
        for directory in () if name.startswith(_OURS) else self._directories:
            # A file that appears, or goes, changes the directory that it is in.
            self._note((directory / name).parent)
        path = find(name, self._directories)
        if path is None:
            raise _missing(name, included_by, [*map(str, self._directories), str(BUILT_IN)])
        if path.parent != BUILT_IN:
            self._note(path)
        return path

    def _note(self, path: Path) -> None:
        self._seen.setdefault(str(path), _state(str(path)))

    def _prepare(self, template: Any) -> None:
        # Texts are translated before Genshi puts in what is included, which has been already.
        template._stream = [*self._translator(template._stream)]
        # Genshi prepares a template when it is first rendered, and two threads that do so at
        # once trip over each other: here the lock is held.
        refuse_raw(template.stream, template)
        squeeze(template.stream)
        template._stream = [*melt(template.stream)]


_OURS = "wsgikit" + os.sep


def find(name: str, directories: Iterable[Path]) -> Path | None:
    """Find a template in the directories, in order, and then among ours."""
    if name.startswith(_OURS):
        directories, name = (), name.removeprefix(_OURS)
    candidates = (directory / name for directory in (*directories, BUILT_IN))
    return next((path for path in candidates if path.is_file()), None)


def _missing(name: str, included_by: str | None, places: Sequence[str]) -> TemplateNotFound:
    """Make an error that says who wants the template, and where it was looked for."""
    error = TemplateNotFound(name, places)
    asked = f", which {included_by} includes" if included_by else ""
    error.args = (f"There is no template {name!r}{asked}, in any of: {', '.join(places)}.",)
    return error


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


# -- what is done with a template, once ----------------------------------------------------------


def refuse_raw(events: Iterable[Any], template: MarkupTemplate, raw: bool = False) -> None:
    """Refuse expressions where nothing would be escaped.

    Raises:
        TemplateSyntaxError: There is one.
    """
    for kind, data, pos in events:
        if kind is START:
            raw = raw or data[0].localname.lower() in RAW
        elif kind is END:
            raw = raw and data.localname.lower() not in RAW
        elif kind is SUB:
            refuse_raw(data[1], template, raw)
        elif raw and kind in (EXPR, INCLUDE):
            message = "nothing is escaped inside script and style: use a data-* attribute"
            raise TemplateSyntaxError(message, template.filepath, *pos[1:])


def squeeze(events: list[Any], kept: bool = False) -> None:
    """Shorten the indentation between tags."""
    for index, (kind, data, pos) in enumerate(events):
        if kind is START:
            kept = kept or data[0].localname in SPACED
        elif kind is END:
            kept = kept and data.localname not in SPACED
        elif kind is SUB:
            squeeze(data[1], kept)
        elif kind is TEXT and not kept and "\n" in data and data.isspace():
            events[index] = TEXT, GAP, pos


def melt(events: Sequence[Any]) -> Iterator[Any]:
    """Write what depends on nothing as markup: runs of tags and texts become one text.

    Directives that look at a tag still find it: at the ends of what they apply to, and
    anywhere in a template with ``py:match``.
    """
    if not _holds(events, MatchDirective):
        events = [*_melt(events)]
    yield from events


def _holds(events: Iterable[Any], directive: type) -> bool:
    subs = [data for kind, data, _ in events if kind is SUB]
    return any(
        any(isinstance(each, directive) for each in directives) or _holds(inner, directive)
        for directives, inner in subs
    )


def _melt(events: Iterable[Any]) -> Iterator[Any]:
    run: list[Any] = []
    raw = False
    for event in events:
        kind, data, pos = event
        if kind is START:
            raw = data[0].localname.lower() in RAW
        if not raw and _is_fixed(kind, data):
            run.append(event)
            continue
        yield from _joined(run)
        run = []
        yield (kind, (data[0], [*_melt_sub(*data)]), pos) if kind is SUB and not raw else event
        raw = raw and not (kind is END and data.localname.lower() in RAW)
    yield from _joined(run)


def _is_fixed(kind: Any, data: Any) -> bool:
    if kind is START:
        return all(isinstance(value, str) for _, value in data[1])
    return kind in (TEXT, END, COMMENT)


def _melt_sub(directives: Sequence[Any], events: Sequence[Any]) -> Iterator[Any]:
    if any(isinstance(each, AttrsDirective | StripDirective) for each in directives):
        yield from events[:1]
        yield from _melt(events[1:-1])
        yield from events[1:][-1:]
    else:
        yield from _melt(events)


def _joined(run: Sequence[Any]) -> Iterator[Any]:
    # Gaps at the ends stay what they are: they may meet others there.
    inner = [number for number, (_, data, _) in enumerate(run) if data is not GAP]
    if not inner:
        yield from run[:1]
        return
    first, last = inner[0], inner[-1] + 1
    yield from run[:first][:1]
    if last - first > 1:
        yield TEXT, Markup(fragment(run[first:last])), run[first][2]
    else:
        yield run[first]
    yield from run[last:][:1]
