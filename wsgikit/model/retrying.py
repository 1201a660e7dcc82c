"""Doing something again that others made the store undo.

A deadlock, or a connection that was lost, leaves nothing behind: the very same may succeed at
the next try.  A store says so with a `RetryError`.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from wsgikit.model.contract import RetryError

Result = TypeVar("Result")

#: How often something is tried in all.
TRIES = 3

#: The longest pause before the second try, in seconds; it doubles with each try.
PAUSE = 0.05

#: No pause is longer than this, in seconds.
LONGEST = 1.0


def repeat(work: Callable[[], Result], tries: int = TRIES, *, pause: float = PAUSE) -> Result:
    """Do something, and again if others made the store undo it.

    Args:
        work: What to do.  It must be something that can be done again from its beginning.
        tries: How often in all.
        pause: The longest pause before the second try, in seconds; each further one may be
            twice as long.  They are random, so that two who were in each other's way are not so
            again.

    Returns:
        What *work* returns.

    Raises:
        RetryError: If the last try failed as well.
    """
    for attempt in range(tries - 1):
        try:
            return work()
        except RetryError:
            time.sleep(random.uniform(0, min(pause * 2**attempt, LONGEST)))
    return work()
