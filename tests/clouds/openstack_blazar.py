"""Blazar's manager, which looks every second for what is due. A site's looks every ten: nearly every test would wait for that."""
from blazar.cmd import manager
from blazar.manager import service

service.EVENT_INTERVAL = 1
manager.main()
