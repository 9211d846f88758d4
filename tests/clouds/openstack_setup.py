"""What lies in the test cloud: openstack_setup.py users|cloud ETC PORTS.

A class shares the project `class`. The clouds of clouds.yaml: `alice` and `bob` by application credentials, `password` (alice by her
password), `restricted` (a credential that is not "unrestricted"), `tight` (a project with hardly any quota), `admin`.
"""
import json
import os
import sys
import time
from pathlib import Path

import openstack
import yaml

etc, ports = Path(sys.argv[2]), json.loads(sys.argv[3])
CLOUDS = etc / "clouds.yaml"
URL = f"http://127.0.0.1:{ports['keystone']}/v3"
REGION = {"region_name": "RegionOne", "interface": "public", "identity_api_version": 3}
SERVICES = [("placement", "placement", ""), ("glance", "image", ""), ("nova", "compute", "/v2.1"), ("neutron", "network", ""),
            ("blazar", "reservation", "/v1")]
# Chameleon's: id, name, processors, MiB, GiB.
FLAVORS = [("1", "m1.tiny", 1, 512, 1), ("2", "m1.small", 1, 2048, 20), ("3", "m1.medium", 2, 4096, 40), ("4", "m1.large", 4, 8192, 40),
           ("5", "m1.xlarge", 8, 16384, 40)]


def password(user, project):
    auth = {"auth_url": URL, "username": user, "password": user, "project_name": project, "user_domain_id": "default",
            "project_domain_id": "default"}
    return {"auth": auth, **REGION}


def credential(user, project, **more):
    login = password(user, project)
    session = openstack.connect(**login)
    made = session.identity.create_application_credential(session.current_user_id, name=f"{user}-{project}-{len(more)}", **more)
    auth = {"auth_url": URL, "application_credential_id": made.id, "application_credential_secret": made.secret}
    return {"auth_type": "v3applicationcredential", "auth": auth, **REGION}


def users():
    identity = openstack.connect(**password("admin", "admin")).identity
    roles = {role.name: role for role in identity.roles()}
    service = identity.create_project(name="service", domain_id="default")
    for name, kind, path in SERVICES:
        user = identity.create_user(name=name, password=name, domain_id="default")
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(service, user, roles[role])
        made = identity.create_service(name=name, type=kind)
        url = f"http://127.0.0.1:{ports[name]}{path}"
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(service_id=made.id, interface=interface, url=url, region_id="RegionOne")
    shared = identity.create_project(name="class", domain_id="default")
    tight = identity.create_project(name="tight", domain_id="default")
    for name, project in (("alice", shared), ("bob", shared), ("carol", tight)):
        user = identity.create_user(name=name, password=name, domain_id="default")
        identity.assign_project_role_to_user(project, user, roles["member"])
    clouds = {"alice": credential("alice", "class", unrestricted=True), "bob": credential("bob", "class", unrestricted=True),
              "restricted": credential("alice", "class"), "password": password("alice", "class"),
              "tight": credential("carol", "tight", unrestricted=True), "admin": password("admin", "admin")}
    CLOUDS.write_text(yaml.safe_dump({"clouds": clouds}))


def until(what, look, seconds=120):
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.3)
    return found


def cloud():
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(CLOUDS)
    admin = openstack.connect(cloud="admin")
    for number, name, processors, memory, disk in FLAVORS:
        admin.compute.create_flavor(id=number, name=name, vcpus=processors, ram=memory, disk=disk)
    for name in ("CC-Ubuntu24.04", "CC-Ubuntu22.04", "CC-Ubuntu24.04-CUDA"):
        admin.image.create_image(name=name, disk_format="raw", container_format="bare", visibility="public", filename=None,
                                 data=b"not a disk\n" * 64, validate_checksum=False, min_ram=1024 if "CUDA" not in name else 4096)
    public = admin.network.create_network(name="public", is_router_external=True, provider_network_type="flat",
                                          provider_physical_network="public")
    # Blazar wants its floating IPs outside the pool.
    subnet = admin.network.create_subnet(name="public-subnet", network_id=public.id, ip_version=4, cidr="10.99.0.0/24",
                                         is_dhcp_enabled=False, gateway_ip="10.99.0.1",
                                         allocation_pools=[{"start": "10.99.0.10", "end": "10.99.0.200"}])
    shared = admin.network.create_network(name="sharednet1", is_shared=True)
    inner = admin.network.create_subnet(name="sharednet1-subnet", network_id=shared.id, ip_version=4, cidr="10.78.0.0/16",
                                        gateway_ip="10.78.255.254")
    router = admin.network.create_router(name="sharednet1-router", external_gateway_info={"network_id": public.id})
    admin.network.add_interface_to_router(router, subnet_id=inner.id)
    tight = admin.identity.find_project("tight").id
    admin.set_compute_quotas(tight, instances=1, cores=2, ram=4096)
    admin.compute.create_aggregate(name="freepool")
    hosts = until("all hosts", lambda: len(found := [host.name for host in admin.compute.hypervisors()]) >= 2 and found)
    url, headers = admin.session.get_endpoint(service_type="reservation"), {"X-Auth-Token": admin.auth_token}
    # The manager answers through the queue: the first calls may find it not there yet.
    until("Blazar", lambda: admin.session.get(f"{url}/os-hosts", headers=headers, raise_exc=False, connect_retries=0).status_code == 200)
    for host in hosts:
        made = admin.session.post(f"{url}/os-hosts", headers=headers, json={"name": host}, raise_exc=False)
        if made.status_code >= 300:
            sys.exit(f"Blazar's host {host}: {made.text}")
    for number in range(201, 211):
        body = {"floating_network_id": public.id, "floating_ip_address": f"10.99.0.{number}"}
        admin.session.post(f"{url}/floatingips", headers=headers, json=body)
    del subnet


{"users": users, "cloud": cloud}[sys.argv[1]]()
