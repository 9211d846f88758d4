#!/usr/bin/env python3
"""Real machines for the instances that moto reports.

    machines.py image DIR              makes the image: Debian 12 with sshd and cloud-init
    machines.py watch DIR URL REGION   until standard input closes or SIGTERM comes: each running instance is a systemd-nspawn machine

Runs as root. A machine is an overlay on the image; its instance's user data is run by cloud-init; its addresses, private and public,
are on its only interface; its security groups are rules of nftables on the bridge. Stopping the instance cuts the power, terminating
it removes the disk; a machine that powers itself off stops its instance, or terminates it where the instance says so.

All addresses lie in NETS, which the bridge holds whole: no packet for an instance, present or gone, leaves this box. `watch` has to
be started in a mount namespace of its own (`unshare --mount`); then nothing stays mounted even after SIGKILL, and the machines die
with it. The bridge stays then; the next start clears it away.
"""
import base64
import ctypes
import fcntl
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

NETS = [ipaddress.ip_network("10.77.0.0/16"), ipaddress.ip_network("10.126.0.0/16")]
BRIDGE = "deployer-aws"
RUN = Path("/run/deployer-tests/aws")
LOCK = Path("/run/lock/deployer-tests-aws")
PATIENCE = 15 * 60  # seconds for another watcher on this box
PAUSE = 0.5  # seconds between two looks; while something is under way a fifth of it
USER = "ubuntu"  # of the image that the instances believe they have
PACKAGES = ("systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,ca-certificates,curl,python3-minimal,python3-cffi-backend,"
            "cloud-init,procps,nftables,"
            # What a cloud's image has at work beside us: tests/machines/existing/fresh.rs has more of it.
            "unattended-upgrades,needrestart,"
            # What the deployer would install: the network around these machines ends at this box.
            "openjdk-17-jre-headless,nodejs,libxml2")
# What a container does not have or a test does not want.
MASKED = ("console-getty.service dpkg-db-backup.timer e2scrub_all.timer "
          "e2scrub_reap.service fstrim.timer getty.target systemd-logind.service systemd-networkd.service "
          "systemd-networkd-wait-online.service systemd-pstore.service systemd-timesyncd.service").split()
# The modules of Ubuntu's images that have anything to do here.
CLOUD_INIT = {
    "datasource_list": ["NoCloud"],
    "network": {"config": "disabled"},
    "disable_root": True,
    "manage_etc_hosts": True,
    "users": ["default"],
    "cloud_init_modules": ["bootcmd", "write-files", "set-hostname", "update-etc-hosts", "users-groups", "ssh"],
    "cloud_config_modules": ["runcmd"],
    "cloud_final_modules": ["scripts-user"],
    "def_log_file": "/var/log/cloud-init.log",
    "output": {"all": ">> /var/log/cloud-init-output.log"},
    "system_info": {"distro": "debian", "ssh_svcname": "ssh", "default_user": {
        "name": USER, "sudo": ["ALL=(ALL) NOPASSWD:ALL"], "shell": "/bin/bash", "lock_passwd": True}},
}
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command, stdin=None, check=True):
    return subprocess.run(command, check=check, text=True, input=stdin, stdout=subprocess.PIPE,
                          stderr=None if check else subprocess.DEVNULL)


def say(*words):
    print(*words, flush=True)


def make_image(image):
    if (image / "etc/cloud/cloud.cfg").exists() and not (image / "unfinished").exists():
        return
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir(parents=True)
    (image / "unfinished").touch()
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(image))
    finish_image(image)
    (image / "unfinished").unlink(missing_ok=True)


def finish_image(image):
    for key in image.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # each machine has its own
    for package in image.glob("var/cache/apt/archives/*.deb"):
        package.unlink()
    (image / "etc/machine-id").write_text("")
    # As in a cloud somebody answers at once, here that there is nobody. A broker asks whose address a client came to.
    (image / "etc/resolv.conf").unlink(missing_ok=True)
    (image / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    units = image / "etc/systemd/system"
    for unit, target in {**dict.fromkeys(MASKED, "/dev/null"), "default.target": "/lib/systemd/system/multi-user.target"}.items():
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to(target)
    # As Ubuntu's images since 22.10: its socket starts sshd.
    (units / "multi-user.target.wants/ssh.service").unlink(missing_ok=True)
    (units / "sshd.service").unlink(missing_ok=True)
    (units / "sockets.target.wants").mkdir(exist_ok=True)
    (units / "sockets.target.wants/ssh.socket").symlink_to("/lib/systemd/system/ssh.socket")
    shutil.rmtree(image / "etc/cloud/cloud.cfg.d", ignore_errors=True)
    (image / "etc/cloud/cloud.cfg.d").mkdir()
    (image / "etc/cloud/ds-identify.cfg").write_text("policy: enabled\n")
    (image / "etc/cloud/cloud.cfg").write_text(json.dumps(CLOUD_INIT, indent=1))


def cgroups(name):
    """A cgroup of its own in every hierarchy: machines side by side must not see each other's processes."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(where) / "deployer-tests" / name


class Machine:
    def __init__(self, instance, image, ec2):
        self.id, self.instance, self.process, self.plugged = instance["InstanceId"], instance, None, None
        self.directory, self.root = RUN / self.id, RUN / self.id / "root"
        self.name = "m" + self.id[-8:]  # names of interfaces are short
        data = ec2.describe_instance_attribute(InstanceId=self.id, Attribute="userData")["UserData"].get("Value", "")
        meta = {"instance-id": self.id, "local-hostname": "ip-" + instance["PrivateIpAddress"].replace(".", "-")}
        seed = self.directory / "upper/var/lib/cloud/seed/nocloud"
        for path in (seed, self.directory / "work", self.root):
            path.mkdir(parents=True)
        (seed / "user-data").write_bytes(base64.b64decode(data))
        (seed / "meta-data").write_text(json.dumps(meta))
        layers = f"lowerdir={image},upperdir={self.directory}/upper,workdir={self.directory}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))

    def power_on(self):
        def child():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for cgroup in cgroups(self.name):
                cgroup.mkdir(parents=True, exist_ok=True)
                for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new one, and then nothing may enter
                    if (cgroup / file).exists():
                        for level in (cgroup.parent, cgroup):
                            (level / file).write_text((level.parent / file).read_text())
                (cgroup / "cgroup.procs").write_text(str(os.getpid()))

        run("ip", "link", "delete", f"vb-{self.name}", check=False)  # one that was killed leaves it for a moment
        with open(self.directory / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--link-journal=no",
                 "--resolv-conf=off", f"--directory={self.root}", f"--machine={self.name}", f"--network-bridge={BRIDGE}"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, preexec_fn=child,
                env={**os.environ, "SYSTEMD_NSPAWN_LOCK": "0"})
        self.plugged = None
        say(self.id, "boots")

    def children(self):
        try:
            return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            return []

    def init(self):
        """The machine's process 1 as seen from here, once it has its own network."""
        try:
            ours = os.readlink("/proc/self/ns/net")
            return next((pid for pid in self.children() if os.readlink(f"/proc/{pid}/ns/net") != ours), None)
        except FileNotFoundError:
            return None

    def plug(self, addresses):
        """Gives the interface these addresses; True when they are there."""
        init = self.init()
        if init is None or self.plugged == (init, addresses):
            return init is not None
        enter = ("nsenter", "--target", init, "--net", "ip")
        if run(*enter, "link", "show", "host0", check=False).returncode:
            return False
        run(*enter, "address", "flush", "dev", "host0", check=False)
        for address in addresses:
            # One of another test, which failed and left it: its machine is nobody's, and others' must go on.
            net = next((net for net in NETS if ipaddress.ip_address(address) in net), None)
            if net is not None:
                run(*enter, "address", "add", f"{address}/{net.prefixlen}", "dev", "host0", check=False)
        run(*enter, "link", "set", "host0", "up", check=False)
        gateway = ("route", "replace", "default", "via", str(NETS[0][-2]), "src", addresses[0])
        if run(*enter, *gateway, check=False).returncode:
            return False
        self.plugged = (init, addresses)
        say(self.id, "has", *addresses)
        return True

    def power_off(self):
        if self.process is None:
            return
        for pid in self.children():  # the machine's process 1: all others end with it
            os.kill(int(pid), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.process = None

    def remove(self):
        self.power_off()
        run("umount", "--lazy", str(self.root))
        for _ in range(100):  # who was struck writes for a moment still; an error here would end all other machines
            shutil.rmtree(self.directory, ignore_errors=True)
            if not self.directory.exists():
                break
            time.sleep(0.05)
        for cgroup in cgroups(self.name):
            for path in sorted(cgroup.rglob("*/"), reverse=True) + [cgroup]:
                for _ in range(40):  # busy for a moment after its last process
                    try:
                        path.rmdir()
                    except FileNotFoundError:
                        pass
                    except OSError:
                        time.sleep(0.05)
                        continue
                    break
        say(self.id, "is gone")


def addresses(instance):
    return tuple(a for a in (instance.get("PrivateIpAddress"), instance.get("PublicIpAddress")) if a)


def groups_of(instance):
    """Groups given with an interface are shown there only."""
    shown = [instance, *instance["NetworkInterfaces"]]
    return {group["GroupId"] for one in shown for group in one.get("SecurityGroups", one.get("Groups", []))}


def firewall(instances, groups):
    """The security groups as rules on the bridge: to each address only what its groups let in."""
    members = {}
    for instance in instances:
        for group in groups_of(instance):
            members.setdefault(group, []).extend(addresses(instance))
    # Not every kernel tracks connections on a bridge: what does not open one is an answer.
    rules = ["ether type arp accept", "tcp flags & (syn | ack) != syn accept", "udp sport 53 accept"]
    for instance in instances:
        to = f"ip daddr {{ {', '.join(addresses(instance))} }}"
        for group in groups_of(instance):
            for permission in groups.get(group, []):
                sources = [r["CidrIp"] for r in permission.get("IpRanges", [])]
                sources += [a for pair in permission.get("UserIdGroupPairs", []) for a in members.get(pair["GroupId"], [])]
                protocol = permission["IpProtocol"]
                what = "" if protocol == "-1" else f"{protocol} dport {permission['FromPort']}-{permission['ToPort']} "
                if sources:
                    rules.append(f"ip saddr {{ {', '.join(sorted(set(sources)))} }} {to} {what}accept")
        rules.append(f"{to} drop")
    body = "\n".join("    " + rule for rule in rules)
    chains = "".join(
        f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy accept;\n    oifname != \"vb-m*\" accept\n{body}\n  }}\n"
        for hook in ("forward", "output"))
    return f"table bridge {BRIDGE} {{}}\ndelete table bridge {BRIDGE}\ntable bridge {BRIDGE} {{\n{chains}}}\n"


class Watch:
    def __init__(self, image, url, region):
        import boto3
        self.ec2 = boto3.client("ec2", endpoint_url=url, region_name=region, aws_access_key_id="t", aws_secret_access_key="t")
        self.image, self.machines, self.rules = image, {}, None

    def look(self):
        """One look at the account; True when nothing is under way."""
        pages = self.ec2.get_paginator("describe_instances").paginate()
        instances = {i["InstanceId"]: i for page in pages for r in page["Reservations"] for i in r["Instances"]
                     if i["State"]["Name"] in ("pending", "running", "stopping", "stopped")}
        for gone in set(self.machines) - set(instances):
            self.machines.pop(gone).remove()
        groups = {g["GroupId"]: g["IpPermissions"] for g in self.ec2.describe_security_groups()["SecurityGroups"]}
        rules = firewall(list(instances.values()), groups)
        if rules != self.rules:
            run("nft", "-f", "-", stdin=rules)
            self.rules = rules
        return all([self.settle(instance) for instance in instances.values()])

    def settle(self, instance):
        runs = instance["State"]["Name"] == "running"
        machine = self.machines.get(instance["InstanceId"])
        if not runs:
            if machine:
                machine.power_off()
            return True
        if machine is None:
            machine = self.machines[instance["InstanceId"]] = Machine(instance, self.image, self.ec2)
        if machine.process is None:
            machine.power_on()
        status = machine.process.poll()
        if status == 133:  # nspawn's word for a reboot from within
            machine.power_off()
            machine.power_on()
        elif status is not None:  # it powered itself off
            machine.power_off()
            behaviour = self.ec2.describe_instance_attribute(
                InstanceId=machine.id, Attribute="instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]["Value"]
            say(machine.id, "powered itself off:", behaviour)
            act = self.ec2.terminate_instances if behaviour == "terminate" else self.ec2.stop_instances
            act(InstanceIds=[machine.id])
            return True
        return machine.plug(addresses(instance))

    def until(self, stop):
        with open(LOCK, "w") as lock:
            alone(lock, stop)
            self.watch(stop)

    def watch(self, stop):
        shutil.rmtree(RUN, ignore_errors=True)
        RUN.mkdir(parents=True)
        unplug()
        try:
            run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
            for net in NETS:
                run("ip", "address", "add", f"{net[-2]}/{net.prefixlen}", "dev", BRIDGE)
            run("ip", "link", "set", BRIDGE, "up")
            say("watching")
            while not stop.is_set():
                stop.wait(PAUSE if self.look() else PAUSE / 5)
        finally:
            for machine in self.machines.values():
                machine.remove()
            unplug()
            shutil.rmtree(RUN)


def alone(lock, stop):
    """Waits until no other watcher is on this box: the bridge and its addresses are one for all. The kernel ends the lock with us."""
    end = time.monotonic() + PATIENCE
    while not stop.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                sys.exit(f"{LOCK}: another watcher of this box has not ended within {PATIENCE} s")
            stop.wait(0.2)
    sys.exit("asked to end before it began")


def unplug():
    run("ip", "link", "delete", BRIDGE, check=False)
    run("nft", "delete", "table", "bridge", BRIDGE, check=False)


def until_closed(stop):
    while os.read(0, 1024):
        pass
    stop.set()


def main():
    what, image = sys.argv[1], Path(sys.argv[2]).resolve()
    if what == "image":
        make_image(image)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=until_closed, args=(stop,), daemon=True).start()
    Watch(image, *sys.argv[3:5]).until(stop)


if __name__ == "__main__":
    main()
