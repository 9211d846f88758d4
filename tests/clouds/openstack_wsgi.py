"""Serves one of OpenStack's WSGI applications on loopback: openstack_wsgi.py MODULE[:FACTORY] PORT."""
import importlib
import sys

from waitress import serve

name, port = sys.argv[1], int(sys.argv[2])
sys.argv = [name]  # the services parse it themselves
module, _, factory = name.partition(":")
module = importlib.import_module(module)
serve(getattr(module, factory)() if factory else module.application, host="127.0.0.1", port=port, threads=8, ident=None)
