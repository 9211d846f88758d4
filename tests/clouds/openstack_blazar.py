"""Blazar's manager, which looks every second for what is due. A site's looks every ten: nearly every test would wait for that.

Leases are made and deleted one at a time. Blazar chooses a floating IP some time before it writes down that it did, so two that ask
at once are promised the same one, and whose lease fails then is chance. That habit is on the proxy, for the tests that are about it.
"""
import functools
import threading

from blazar.cmd import manager
from blazar.manager import service

service.EVENT_INTERVAL = 1

turn = threading.Lock()


def in_turn(method):
    @functools.wraps(method)
    def alone(*values, **named):
        with turn:
            return method(*values, **named)
    return alone


for name in ("create_lease", "delete_lease"):
    setattr(service.ManagerService, name, in_turn(getattr(service.ManagerService, name)))

manager.main()
