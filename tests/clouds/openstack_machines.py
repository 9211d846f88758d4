#!/usr/bin/env python3
"""Real machines for the servers of the test cloud of OpenStack.

    openstack_machines.py DIR CLOUDS   DIR: the image that `machines.py image` makes; CLOUDS: the cloud's clouds.yaml

Everything but the way to ask is in machines.py, which knows the words of EC2: servers and security groups are told to it in those.
"""
import base64
import ipaddress
import json
import os
import signal
import sys
import threading
from pathlib import Path

import machines

machines.NETS = [ipaddress.ip_network("10.78.0.0/16"), ipaddress.ip_network("10.99.0.0/24")]
machines.BRIDGE = "deployer-os"
machines.RUN = Path("/run/deployer-tests/openstack")
machines.LOCK = Path("/run/lock/deployer-tests-openstack")
machines.PAUSE = 1.5  # a look keeps Nova and Neutron busy for a third of a second
STATES = {"BUILD": "pending", "ACTIVE": "running", "SHUTOFF": "stopped", "DELETED": "terminated", "ERROR": "terminated"}
# The login of Chameleon's images, into the image of machines.py.
LOGIN = {"system_info": {"default_user": {"name": "cc", "sudo": ["ALL=(ALL) NOPASSWD:ALL"], "shell": "/bin/bash", "lock_passwd": True}}}


class Machine(machines.Machine):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        (self.root / "etc/cloud/cloud.cfg.d/50-login.cfg").write_text(json.dumps(LOGIN))


class Cloud:
    """What EC2 would say of Nova's servers and Neutron's security groups."""

    def __init__(self, clouds):
        os.environ["OS_CLIENT_CONFIG_FILE"] = clouds
        import openstack
        cloud = openstack.connect(cloud="admin")
        self.compute, self.network = cloud.compute, cloud.network

    def nova(self, path):
        return self.compute.get(path, microversion="2.61").json()

    def get_paginator(self, _):
        return self

    def paginate(self):
        servers = self.nova("/servers/detail?all_tenants=1")["servers"]
        yield {"Reservations": [{"Instances": [i for i in map(self.instance, servers) if "PrivateIpAddress" in i]}]}

    @staticmethod
    def instance(server):
        told = {"InstanceId": server["id"], "State": {"Name": STATES.get(server["status"], "pending")}, "NetworkInterfaces": [],
                "SecurityGroups": [{"GroupId": group["name"]} for group in server.get("security_groups", [])]}
        for address in (a for network in server["addresses"].values() for a in network):
            key = "PublicIpAddress" if address["OS-EXT-IPS:type"] == "floating" else "PrivateIpAddress"
            told[key] = address["addr"]
        return told

    def describe_instance_attribute(self, InstanceId, Attribute):  # noqa: N803: EC2's words
        if Attribute == "userData":
            data = self.nova(f"/servers/{InstanceId}")["server"]["OS-EXT-SRV-ATTR:user_data"]
            return {"UserData": {"Value": data or base64.b64encode(b"").decode()}}
        return {"InstanceInitiatedShutdownBehavior": {"Value": "stop"}}

    def describe_security_groups(self):
        groups = list(self.network.security_groups())
        names = {group.id: group.name for group in groups}
        return {"SecurityGroups": [
            {"GroupId": group.name, "IpPermissions": [self.permission(r, names) for r in group.security_group_rules
                                                      if r["direction"] == "ingress" and r["ethertype"] == "IPv4"]}
            for group in groups]}

    @staticmethod
    def permission(rule, names):
        source = {"UserIdGroupPairs": [{"GroupId": names[rule["remote_group_id"]]}]} if rule["remote_group_id"] else {
            "IpRanges": [{"CidrIp": rule["remote_ip_prefix"] or "0.0.0.0/0"}]}
        ports = rule["port_range_min"] is not None
        return {"IpProtocol": rule["protocol"] if ports else "-1", "FromPort": rule["port_range_min"],
                "ToPort": rule["port_range_max"], **source}

    def stop_instances(self, InstanceIds):  # noqa: N803
        for server in InstanceIds:
            self.compute.post(f"/servers/{server}/action", json={"os-stop": None})


class Watch(machines.Watch):
    def __init__(self, image, cloud):
        self.ec2, self.image, self.machines, self.rules = cloud, image, {}, None


def main():
    machines.Machine = Machine
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=machines.until_closed, args=(stop,), daemon=True).start()
    Watch(Path(sys.argv[1]).resolve(), Cloud(sys.argv[2])).until(stop)


if __name__ == "__main__":
    main()
