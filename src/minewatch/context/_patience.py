"""How long a server of map data is waited for: as long as it asks, or not at all."""

import math
import threading
from typing import Any

from minewatch._http import HttpError, HttpSession, RetryPolicy


class Patience:
    """Waits as long as a server asks; where that is too long, ends instead of asking earlier.

    Examples
    --------
    >>> Patience(RetryPolicy(longest_asked_wait_s=60.0))(600.0)
    Traceback (most recent call last):
    minewatch._http.HttpError: the server asks to wait 600 s, and a fetch waits no longer than 60 s
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self.longest_s = max(policy.longest_wait_s, policy.longest_asked_wait_s)
        self.wait = threading.Event().wait

    def __call__(self, wait_s: float) -> None:
        """Wait.

        Raises
        ------
        HttpError
            If it would take too long.
        """
        if wait_s > self.longest_s:
            raise HttpError(
                f"the server asks to wait {wait_s:.0f} s, and a fetch waits no longer than "
                f"{self.longest_s:.0f} s"
            )
        self.wait(wait_s)


def patient_session(policy: RetryPolicy, patience: Patience, **changes: Any) -> HttpSession:
    """Open a session of one connection that never asks earlier than a server wants."""
    patient = policy.model_copy(update={"longest_asked_wait_s": math.inf, **changes})
    return HttpSession(patient, connections=1, pause=patience)
