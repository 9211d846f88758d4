#!/usr/bin/env python3
"""A real OpenStack on loopback for tests: Keystone, Placement, Glance, Nova with its fake driver, Neutron and Blazar.

    openstack_cloud.py install DIR   brings the Python packages and, unpacked only, MariaDB and RabbitMQ into DIR; needs pip and apt-get
    openstack_cloud.py serve DIR     starts all of it empty, on free ports; prints one line of JSON when servers can be made;
                                     with a version behind DIR, Blazar is of that version

`serve` ends, and everything with it, when its standard input is closed. What it keeps lies in a temporary directory that goes with
it. The line has the path of a clouds.yaml (see openstack_setup.py for its clouds) and the port of each service.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ERLANG = ("base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools "
          "xmerl").split()
DEBIAN = ("rabbitmq-server mariadb-server mariadb-server-core mariadb-client-core libmariadb3 libncurses6 liburing2".split()
          + [f"erlang-{part}" for part in ERLANG])
LIBAIO = ("libaio1", "libaio1t64")  # Debian 12's name, and that since Debian 13 and Ubuntu 24.04
DATABASES = "keystone placement glance nova_api nova nova_cell0 neutron blazar".split()
SERVICES = "database queue epmd distribution keystone placement glance nova neutron blazar".split()
HOSTS = 2
PR_SET_PDEATHSIG = 1


def run(*command, **options):
    try:
        subprocess.run([str(part) for part in command], check=True, **options)
    except subprocess.CalledProcessError as failed:
        print(failed.stdout or "", failed.stderr or "", file=sys.stderr)
        raise


def install(base):
    requirements = HERE / "openstack-requirements.txt"
    stamp, wanted = base / "complete", hashlib.sha256(requirements.read_bytes() + repr(DEBIAN).encode()).hexdigest()
    base.mkdir(parents=True, exist_ok=True)
    with open(base / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        run(sys.executable, "-m", "venv", "--clear", base / "venv")
        run(base / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements)
        for part in ("debs", "debian"):
            shutil.rmtree(base / part, ignore_errors=True)
            (base / part).mkdir()
        # Packages are looked up by the lists of this box, which a new one does not have yet.
        debs = {"cwd": base / "debs", "stderr": subprocess.DEVNULL}
        if subprocess.run(["apt-get", "-qq", "download", *DEBIAN], **debs).returncode:
            run("apt-get", "-qq", "update")
            run("apt-get", "-qq", "download", *DEBIAN, cwd=base / "debs")
        if all(subprocess.run(["apt-get", "-qq", "download", name], **debs).returncode for name in LIBAIO):
            sys.exit(f"this system has none of the packages {' and '.join(LIBAIO)}, which MariaDB needs")
        for package in sorted((base / "debs").iterdir()):
            run("dpkg", "-x", package, base / "debian")
        shutil.rmtree(base / "debs")
        erlang = base / "debian/usr/lib/erlang"
        for script in [erlang / "bin/erl", *erlang.glob("erts-*/bin/erl")]:  # Debian's knows only its own place
            script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={erlang}"))
        stamp.write_text(wanted)


def other_blazar(base, version):
    """Another version of Blazar, in a directory of its own that goes before the one in DIR. Sites are slow to take up a new one."""
    place = base / f"blazar-{version}"
    with open(base / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            made = Path(tempfile.mkdtemp(prefix="blazar-", dir=base))
            run(base / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", made,
                f"blazar=={version}", stdout=sys.stderr)
            made.rename(place)
    return place


def free_ports(names):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(names, sockets)}


def ini(path, **sections):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n")


class Cloud:
    def __init__(self, base, state, first=()):
        self.base, self.state, self.processes = base, state, []
        self.venv, self.debian = base / "venv", base / "debian"
        self.ports = free_ports(SERVICES)
        self.etc, self.data, self.log, self.plug = (state / part for part in ("etc", "data", "log", "plug"))
        for directory in (self.etc, self.data, self.log, self.plug):
            directory.mkdir()
        self.url = f"http://127.0.0.1:{self.ports['keystone']}/v3"
        self.queue = f"rabbit://guest:guest@127.0.0.1:{self.ports['queue']}/"
        path = os.pathsep.join(str(part) for part in (*first, self.plug))
        self.environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "",
                            "LD_LIBRARY_PATH": os.pathsep.join(str(self.debian / part / "x86_64-linux-gnu") for part in ("usr/lib", "lib"))}
        self.environment |= {f"OS_{name.upper()}_CONFIG_DIR": str(self.etc / name)
                             for name in ("keystone", "placement", "glance", "nova", "neutron", "blazar")}

    # Processes.

    def start(self, name, *command, environment=None):
        def child():
            import ctypes
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with open(self.log / f"{name}.out", "wb") as out:
            process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True, env=environment or self.environment, preexec_fn=child)
        process.name = name
        self.processes.append(process)

    def stop(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def step(self, name, *command):
        with open(self.log / f"{name}.out", "wb") as out:
            code = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  env=self.environment).returncode
        if code:
            sys.exit(f"{name} failed:\n{(self.log / f'{name}.out').read_text()[-2000:]}")

    def wait(self, service, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for process in self.processes:
                if process.poll() is not None:
                    sys.exit(f"{process.name} died:\n{(self.log / f'{process.name}.out').read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[service]), 1):
                return
            time.sleep(0.1)
        sys.exit(f"{service} did not open its port within {seconds} s")

    def python(self, name, *arguments):
        self.start(name, self.venv / "bin/python", *arguments)

    def wsgi(self, name, application):
        self.python(name, HERE / "openstack_wsgi.py", application, self.ports[name])

    def tool(self, name, *arguments):
        return [self.venv / "bin" / name, *arguments]

    # Settings.

    def database(self, name):
        return f"mysql+pymysql://os:os@127.0.0.1:{self.ports['database']}/{name}"

    def login(self, user):
        return {"auth_url": self.url, "auth_type": "password", "project_domain_id": "default", "user_domain_id": "default",
                "project_name": "service", "username": user, "password": user, "region_name": "RegionOne"}

    def tokens(self, user):
        return {**self.login(user), "www_authenticate_uri": self.url, "service_token_roles_required": "true",
                "service_token_roles": "service"}

    def configure(self):
        locks = {"lock_path": self.data / "locks"}
        ini(self.etc / "keystone/keystone.conf", DEFAULT={"log_file": self.log / "keystone.log", "use_stderr": "false"},
            database={"connection": self.database("keystone")}, token={"provider": "fernet"},
            # Receipts have a place of their own, which is in /etc unless another is said.
            fernet_tokens={"key_repository": self.etc / "keystone/fernet"}, fernet_receipts={"key_repository": self.etc / "keystone/fernet"},
            credential={"key_repository": self.etc / "keystone/cred"},
            cache={"enabled": "true", "backend": "dogpile.cache.memory"},
            # Blazar makes a trust with the user's token. Chameleon sets this, too.
            security_compliance={"allow_insecure_application_credential_trust_escalation": "true"},
            identity={"password_hash_algorithm": "bcrypt", "password_hash_rounds": "4"})
        for part in ("fernet", "cred"):
            (self.etc / "keystone" / part).mkdir()
        ini(self.etc / "placement/placement.conf", DEFAULT={"log_file": self.log / "placement.log"}, api={"auth_strategy": "keystone"},
            placement_database={"connection": self.database("placement")}, keystone_authtoken=self.tokens("placement"))
        ini(self.etc / "glance/glance-api.conf", DEFAULT={"log_file": self.log / "glance.log", "enabled_backends": "fs:file"},
            database={"connection": self.database("glance")}, glance_store={"default_backend": "fs"},
            fs={"filesystem_store_datadir": self.data / "glance/images"},
            os_glance_staging_store={"filesystem_store_datadir": self.data / "glance/staging"},
            os_glance_tasks_store={"filesystem_store_datadir": self.data / "glance/tasks"},
            paste_deploy={"flavor": "keystone", "config_file": self.venv / "etc/glance/glance-api-paste.ini"},
            oslo_concurrency=locks, keystone_authtoken=self.tokens("glance"))
        self.configure_nova(locks)
        self.configure_neutron(locks)
        ini(self.etc / "blazar/blazar.conf",
            DEFAULT={"log_file": self.log / "blazar.log", "transport_url": self.queue, "os_auth_host": "127.0.0.1",
                     "os_auth_port": self.ports["keystone"], "os_auth_protocol": "http", "os_auth_version": "v3",
                     "os_admin_username": "blazar", "os_admin_password": "blazar", "os_admin_project_name": "service",
                     "os_admin_user_domain_name": "Default", "os_admin_project_domain_name": "Default",
                     "os_region_name": "RegionOne", "identity_service": "identity"},
            database={"connection": self.database("blazar")},
            manager={"plugins": "physical.host.plugin,virtual.instance.plugin,flavor.instance.plugin,virtual.floatingip.plugin",
                     "minutes_before_end_lease": "0"},
            nova={"aggregate_freepool_name": "freepool"}, oslo_concurrency=locks, keystone_authtoken=self.tokens("blazar"))

    def configure_nova(self, locks):
        service = {**self.login("nova"), "send_service_user_token": "true"}
        common = {"my_ip": "127.0.0.1", "transport_url": self.queue, "compute_driver": "fake.PredictableNodeUUIDDriver",
                  "vif_plugging_is_fatal": "false", "vif_plugging_timeout": "0", "service_down_time": "60", "report_interval": "10",
                  "periodic_fuzzy_delay": "0", "reserved_host_memory_mb": "0",
                  "osapi_compute_workers": "1"}
        sections = {
            "api": {"auth_strategy": "keystone"}, "conductor": {"workers": "1"},
            "scheduler": {"workers": "1", "discover_hosts_in_cells_interval": "2"},
            "filter_scheduler": {
                "enabled_filters": "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,"
                                   "ServerGroupAffinityFilter,BlazarFilter",
                "available_filters": "nova.scheduler.filters.all_filters\n"
                                     "available_filters = blazarnova.scheduler.filters.blazar_filter.BlazarFilter"},
            "glance": {"endpoint_override": f"http://127.0.0.1:{self.ports['glance']}"}, "oslo_concurrency": locks,
            "vnc": {"enabled": "false"}, "cache": {"enabled": "false"}, "quota": {"instances": "200", "cores": "400", "ram": "2000000"},
            "placement": self.login("placement"), "neutron": self.login("neutron"), "service_user": service,
            "keystone_authtoken": self.tokens("nova")}
        ini(self.etc / "nova/nova.conf",
            DEFAULT={**common, "host": "controller", "state_path": self.data / "nova", "log_dir": self.log}, **sections,
            api_database={"connection": self.database("nova_api")}, database={"connection": self.database("nova")})
        shutil.copy(self.venv / "etc/nova/api-paste.ini", self.etc / "nova")
        for number in range(HOSTS):  # without the databases, which a host may not know
            (self.data / f"node{number}").mkdir()
            ini(self.etc / f"node{number}/nova.conf",
                DEFAULT={**common, "host": f"node{number}", "state_path": self.data / f"node{number}",
                         "log_file": self.log / f"node{number}.log"}, **sections)

    def configure_neutron(self, locks):
        ini(self.etc / "neutron/neutron.conf",
            DEFAULT={"log_file": self.log / "neutron.log", "state_path": self.data / "neutron",
                     "api_paste_config": self.venv / "etc/neutron/api-paste.ini", "core_plugin": "ml2",
                     # Without an agent the real one leaves floating IPs DOWN for ever.
                     "service_plugins": "neutron.tests.unit.extensions.test_l3.TestL3NatServicePlugin", "transport_url": self.queue,
                     "auth_strategy": "keystone", "notify_nova_on_port_status_changes": "true",
                     "notify_nova_on_port_data_changes": "true", "dhcp_agent_notification": "false", "api_workers": "1",
                     "rpc_workers": "0"},
            database={"connection": self.database("neutron")}, nova=self.login("nova"), oslo_concurrency=locks,
            quotas={"quota_security_group": "200", "quota_floatingip": "150", "quota_port": "500", "quota_network": "100",
                    "quota_subnet": "100", "quota_router": "100", "quota_security_group_rule": "2000"},
            keystone_authtoken=self.tokens("neutron"))
        ini(self.etc / "neutron/plugins/ml2/ml2_conf.ini",
            ml2={"type_drivers": "flat,vxlan", "tenant_network_types": "vxlan", "mechanism_drivers": "openstack_ports",
                 "extension_drivers": "port_security"},
            ml2_type_flat={"flat_networks": "public"}, ml2_type_vxlan={"vni_ranges": "1:1000"},
            securitygroup={"enable_security_group": "true"})
        shutil.copy(HERE / "openstack_ports.py", self.plug)
        plug = self.plug / "openstack_ports-1.0.dist-info"
        plug.mkdir()
        (plug / "METADATA").write_text("Metadata-Version: 2.1\nName: openstack_ports\nVersion: 1.0\n")
        (plug / "entry_points.txt").write_text(
            "[neutron.ml2.mechanism_drivers]\nopenstack_ports = openstack_ports:AlwaysBound\n")

    # Services.

    def start_database(self):
        server = self.debian / "usr"
        # Only root must say as whom it runs.
        user = ["--user=root"] if os.geteuid() == 0 else []
        run(server / "bin/mariadb-install-db", "--no-defaults", f"--basedir={server}", f"--datadir={self.data}/mysql", *user,
            "--auth-root-authentication-method=normal", "--skip-test-db", f"--lc-messages-dir={server}/share/mysql",
            env=self.environment, capture_output=True, text=True)
        self.start("database", server / "sbin/mariadbd", "--no-defaults", f"--basedir={server}",
                   f"--lc-messages-dir={server}/share/mysql", f"--datadir={self.data}/mysql", *user,
                   "--bind-address=127.0.0.1", f"--port={self.ports['database']}", f"--socket={self.state}/mysql.sock",
                   f"--pid-file={self.state}/mysql.pid", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0",
                   "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M", "--max-connections=500",
                   "--performance-schema=OFF")
        self.wait("database")
        words = ["create user 'os'@'127.0.0.1' identified by 'os'", "create user 'os'@'localhost' identified by 'os'",
                 "grant all on *.* to 'os'@'127.0.0.1'", "grant all on *.* to 'os'@'localhost'"]
        words += [f"create database {name}" for name in DATABASES]
        run(server / "bin/mariadb", "--no-defaults", "-uroot", "-S", f"{self.state}/mysql.sock", "-e", "; ".join(words),
            env=self.environment)

    def start_queue(self):
        home, rabbit = self.state / "rabbit", next((self.debian / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
        home.mkdir()
        (self.etc / "enabled_plugins").write_text("[].\n")
        (self.etc / "rabbitmq.conf").write_text("loopback_users.guest = false\nvm_memory_high_watermark.absolute = 512MB\n"
                                                "disk_free_limit.absolute = 50MB\nlog.file.level = warning\n")
        environment = {**self.environment, "HOME": str(home), "ERL_EPMD_PORT": str(self.ports["epmd"]), "ERL_EPMD_ADDRESS": "127.0.0.1",
                       "RABBITMQ_NODENAME": "tests@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                       "RABBITMQ_NODE_PORT": str(self.ports["queue"]), "RABBITMQ_DIST_PORT": str(self.ports["distribution"]),
                       "RABBITMQ_MNESIA_BASE": str(home / "data"), "RABBITMQ_LOG_BASE": str(self.log),
                       "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": str(self.etc / "rabbitmq"),
                       "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.etc / "enabled_plugins"), "RABBITMQ_PID_FILE": str(home / "pid"),
                       "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                           "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
                       "PATH": f"{self.debian}/usr/bin:{os.environ['PATH']}"}
        self.start("epmd", self.debian / "usr/bin/epmd", environment=environment)
        self.wait("epmd")
        self.start("queue", rabbit / "sbin/rabbitmq-server", environment=environment)

    def make_databases(self):
        from concurrent.futures import ThreadPoolExecutor

        keystone = ("--config-file", self.etc / "keystone/keystone.conf")
        owner = ("--keystone-user", "root", "--keystone-group", "root") if os.geteuid() == 0 else ()
        nova = ("--config-file", self.etc / "nova/nova.conf")
        neutron = ("--config-file", self.etc / "neutron/neutron.conf", "--config-file", self.etc / "neutron/plugins/ml2/ml2_conf.ini")

        def identity():
            for command in ("db_sync",), ("fernet_setup", *owner), ("credential_setup", *owner), (
                    "bootstrap", "--bootstrap-password", "admin", "--bootstrap-region-id", "RegionOne", "--bootstrap-admin-url",
                    self.url, "--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url):
                self.step(f"keystone-{command[0]}", *self.tool("keystone-manage", *keystone, *command))
            self.wsgi("keystone", "keystone.wsgi.api")
            self.wait("keystone")
            self.step("users", self.venv / "bin/python", HERE / "openstack_setup.py", "users", self.etc, json.dumps(self.ports))
            self.step("placement-db", *self.tool("placement-manage", "--config-dir", self.etc / "placement", "db", "sync"))
            self.step("glance-db", *self.tool("glance-manage", "--config-file", self.etc / "glance/glance-api.conf", "db_sync"))

        def compute():
            for command in ("api_db", "sync"), ("cell_v2", "map_cell0", "--database_connection", self.database("nova_cell0")), (
                    "db", "sync"), ("cell_v2", "create_cell", "--name", "cell1"):
                self.step("nova-" + "-".join(command[:2]), *self.tool("nova-manage", *nova, *command))

        def others():
            self.step("neutron-db", *self.tool("neutron-db-manage", *neutron, "upgrade", "heads"))
            self.step("blazar-db", *self.tool("blazar-db-manage", "--config-file", self.etc / "blazar/blazar.conf", "upgrade", "head"))

        # What a thread has started ends with the thread: the pool stays.
        self.pool = ThreadPoolExecutor()
        for done in [self.pool.submit(part) for part in (identity, compute, others)]:
            done.result()

    def up(self):
        self.configure()
        self.start_database()
        self.start_queue()
        self.make_databases()
        self.wait("queue")
        for name, application in (("placement", "placement.wsgi.api"), ("glance", "glance.wsgi.api"), ("neutron", "neutron.wsgi.api"),
                                  ("nova", "nova.wsgi.osapi_compute")):
            self.wsgi(name, application)
        nova = ("--config-file", self.etc / "nova/nova.conf")
        for name in ("nova-conductor", "nova-scheduler"):
            self.start(name, *self.tool(name, *nova))
        for name in ("placement", "glance", "neutron", "nova"):
            self.wait(name)
        for number in range(HOSTS):
            self.python(f"node{number}", HERE / "openstack_compute.py", "--config-file", self.etc / f"node{number}/nova.conf")
        self.wsgi("blazar", "blazar.api.wsgi_app:init_app")
        self.python("blazar-manager", HERE / "openstack_blazar.py", "--config-file", self.etc / "blazar/blazar.conf")
        self.wait("blazar")
        self.step("cloud", self.venv / "bin/python", HERE / "openstack_setup.py", "cloud", self.etc, json.dumps(self.ports))


def serve(base, *versions):
    first = [other_blazar(base, version) for version in versions]
    state = Path(tempfile.mkdtemp(prefix="openstack-"))
    cloud = Cloud(base, state, first)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        cloud.up()
        print(json.dumps({"clouds": str(cloud.etc / "clouds.yaml"), "ports": cloud.ports}), flush=True)
        while os.read(0, 1024):
            pass
    except BaseException:
        keep = os.environ.get("OPENSTACK_KEEP_LOGS")
        if keep:
            shutil.copytree(cloud.log, keep, dirs_exist_ok=True)
        raise
    finally:
        cloud.stop()
        shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    {"install": install, "serve": serve}[sys.argv[1]](Path(sys.argv[2]).resolve(), *sys.argv[3:])
