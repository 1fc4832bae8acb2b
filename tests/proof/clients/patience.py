"""How long a test waits for what happens elsewhere."""

import datetime
import time

# It only ends a test that would wait for ever: a machine may be slow, and much else may run on it.
PATIENCE = 180
PATIENTLY = datetime.timedelta(seconds=PATIENCE)


def until(look, wish=bool):
    """What `look` gives, as soon as it is as wished for."""
    deadline = time.monotonic() + PATIENCE
    while not wish(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen
