#!/usr/bin/env python3
"""moto's AWS on a free port of loopback, for tests. Prints the port; ends when its standard input is closed.

Public addresses come from 10.126.0.0/16, which machines.py gives to its machines: moto's own are other people's. With ON_LOOPBACK
in the environment they are 127.126.0.10 to 127.126.0.41, again and again: for machines that nobody boots.
"""
import itertools
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

# What moto does not say of its images is the same for all of them.
COMMON = {
    "state": "available", "public": True, "image_location": "amazon/image", "sriov": "simple", "root_device_type": "ebs",
    "root_device_name": "/dev/sda1", "description": "for tests", "image_type": "machine", "platform": None,
    "virtualization_type": "hvm", "hypervisor": "xen",
}


def images():
    """Writes the images file as moto wants it; moto reads it when it is imported."""
    short = json.loads((Path(__file__).parent / "images.json").read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump([COMMON | image for image in short], file)
    return file.name


def end_with_standard_input():
    while os.read(0, 1024):
        pass
    os._exit(0)


def respect_dry_runs():
    """Two calls of moto make the thing although they are asked not to."""
    from moto.ec2.responses.route_tables import RouteTables
    from moto.ec2.responses.vpcs import VPCs

    def respectful(original):
        def call(self):
            self.error_on_dryrun()
            return original(self)
        return call

    VPCs.create_vpc = respectful(VPCs.create_vpc)
    RouteTables.create_route_table = respectful(RouteTables.create_route_table)


def show_replaced_profiles():
    """moto's machines keep the instance profile that they had first; AWS shows the one that took its place."""
    from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend as Backend

    replace = Backend.replace_iam_instance_profile_association

    def honest(self, *arguments, **words):
        association = replace(self, *arguments, **words)
        profile = {"Arn": association.iam_instance_profile.arn, "Id": association.association_id}
        self.modify_instance_attribute(association.instance_id, "iam_instance_profile", profile)
        return association

    Backend.replace_iam_instance_profile_association = honest


def unknown_service(environ, start_response):
    """moto breaks off at services that it does not have, such as the price list; AWS answers."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = b'{"__type": "UnknownOperationException", "message": "moto has no such service"}'
    start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
    return [body]


def main():
    os.environ["MOTO_AMIS_PATH"] = images()
    os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "true")
    os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
    os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
    from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    numbers = itertools.count(10)
    lock = threading.Lock()

    def address():
        with lock:
            number = next(numbers)
        if "ON_LOOPBACK" in os.environ:
            return f"127.126.0.{10 + number % 32}"
        return f"10.126.{number >> 8 & 255}.{number & 255}"

    def application(service):
        return create_backend_app(service) if service else unknown_service

    respect_dry_runs()
    show_replaced_profiles()
    elastic_ip_addresses.random_ip = elastic_network_interfaces.random_public_ip = address
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(application), threaded=True)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    print(server.port, flush=True)
    # Nobody reads on, and what moto says later would break off the call it is about.
    sys.stdout = sys.stderr
    server.serve_forever()


if __name__ == "__main__":
    main()
