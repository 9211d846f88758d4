"""Does what rows say, by clients for Python that no one here wrote: kafka-python, confluent-kafka, couchdb-python.

Reads JSON: where the servers are, how each one logs in, and rows of a client, a deed, its arguments, and who tries it. Prints
`result NUMBER STATUS` for each attempt, 1 where it was refused, and what was said. The last one of a row begins when all others
have ended: it is who may do most, and may take away what they were to leave alone.
"""

import json
import logging
import os
import ssl
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import confluent_kafka
import confluent_kafka.admin
import couchdb
import kafka
import kafka.admin
import kafka.structs

# How long an answer may take, and how long it takes until a client gives up that is not let in: neither of Kafka's says so at once.
SECONDS = 20
REFUSED = 5
# No refusals, but mistakes of this file or of a client.
MISTAKES = (AttributeError, LookupError, NameError, SystemError, TypeError)
EVENT = b'{"tried": true}'


def file(name, text):
    path = os.path.join(DIRECTORY, name)
    with open(path, "w") as opened:
        opened.write(text)
    return path


def expect(good, otherwise):
    if not good:
        raise RuntimeError(otherwise)


def once(function):
    """What it gave, or how it failed, counts for all later calls: whoever is not let in is not let in for any deed."""
    kept = {}

    def kept_or_made(self, who):
        if who not in kept:
            try:
                kept[who] = (function(self, who), None)
            except Exception as error:
                kept[who] = (None, error)
        made, error = kept[who]
        if error:
            raise error
        return made

    return kept_or_made


class KafkaPython:
    """Some of its answers have an error where others raise it."""

    def settings(self, who):
        login = TOLD["kafka"][who]
        context = ssl.create_default_context(cadata=TOLD["authority"])
        if "certificate" in login:
            context.load_cert_chain(file(f"{who.replace(' ', '-')}.pem", login["certificate"]))
        settings = {"ssl_context": context, "bootstrap_timeout_ms": 1000 * REFUSED, "request_timeout_ms": 1000 * SECONDS}
        if "user" in login:
            return settings | {"bootstrap_servers": TOLD["clients"], "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
                               "sasl_plain_username": login["user"], "sasl_plain_password": login["password"]}
        return settings | {"bootstrap_servers": TOLD["brokers"], "security_protocol": "SSL"}

    @once
    def admin(self, who):
        return kafka.admin.KafkaAdminClient(**self.settings(who))

    def writes(self, who, topic):
        self.admin(who)
        producer = kafka.KafkaProducer(**self.settings(who), max_block_ms=1000 * SECONDS, enable_idempotence=False)
        try:
            producer.send(topic, EVENT).get(SECONDS)
        finally:
            producer.close(timeout=1)

    def reads(self, who, topic, group=None):
        self.admin(who)
        consumer = kafka.KafkaConsumer(**self.settings(who), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                       consumer_timeout_ms=1000 * SECONDS)
        try:
            if not consumer.partitions_for_topic(topic):
                raise RuntimeError("such a topic is not told of")
            if group:
                consumer.subscribe([topic])
            else:
                consumer.assign([kafka.TopicPartition(topic, 0)])
            next(consumer)
            if group:
                consumer.commit()
        finally:
            consumer.close(timeout_ms=1000)

    def makes(self, who, topic):
        self.admin(who).create_topics([kafka.admin.NewTopic(topic, 1, 1)])

    def deletes(self, who, topic):
        self.admin(who).delete_topics([topic])

    def grows(self, who, topic, partitions):
        self.admin(who).create_partitions({topic: int(partitions)})

    def empties(self, who, topic):
        self.admin(who).delete_records({kafka.TopicPartition(topic, 0): 0})

    def tells_settings(self, who, kind, name):
        found = self.admin(who).describe_configs([kafka.admin.ConfigResource(kind.upper(), name)], config_filter="all")
        expect(found[kind][name], "no settings are told")

    def changes(self, who, topic):
        resource = kafka.admin.ConfigResource("TOPIC", topic, configs={"retention.ms": "1000000"})
        said = self.admin(who).alter_configs([resource], raise_on_unknown=False)["topic"][topic]
        expect(said == "OK", said)

    def tells_group(self, who, group):
        self.admin(who).describe_groups([group])

    def moves_group(self, who, group, topic):
        offset = kafka.structs.OffsetAndMetadata(0, "", -1)
        for error in self.admin(who).alter_group_offsets(group, {kafka.TopicPartition(topic, 0): offset}).values():
            expect(error is kafka.errors.NoError, error.__name__)

    def deletes_group(self, who, group):
        said = self.admin(who).delete_groups([group])[group]
        expect(said == "OK", said)

    def tells_rights(self, who):
        everything = kafka.admin.ResourcePatternFilter(kafka.admin.ResourceType.ANY, None, kafka.admin.ACLResourcePatternType.ANY)
        found, error = self.admin(who).describe_acls(kafka.admin.ACLFilter(
            None, None, kafka.admin.ACLOperation.ANY, kafka.admin.ACLPermissionType.ANY, everything))
        expect(found, error.__name__)

    def takes_rights(self, who, topic):
        """On a topic, for somebody there is not; given back at once."""
        pattern = kafka.admin.ResourcePattern(kafka.admin.ResourceType.TOPIC, topic)
        right = kafka.admin.ACL("User:tried", "*", kafka.admin.ACLOperation.READ, kafka.admin.ACLPermissionType.ALLOW, pattern)
        made = self.admin(who).create_acls([right])
        expect(made["succeeded"], str(made["failed"]))
        self.admin(who).delete_acls([right])


class ConfluentKafka:
    def settings(self, who):
        login = TOLD["kafka"][who]
        settings = {"bootstrap.servers": TOLD["clients"], "ssl.ca.pem": TOLD["authority"], "socket.timeout.ms": 1000 * SECONDS, "log_level": 0}
        if "user" in login:
            return settings | {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512",
                               "sasl.username": login["user"], "sasl.password": login["password"]}
        begin = login["certificate"].index("-----BEGIN CERTIFICATE")
        return settings | {"bootstrap.servers": TOLD["brokers"], "security.protocol": "ssl",
                           "ssl.key.pem": login["certificate"][:begin], "ssl.certificate.pem": login["certificate"][begin:]}

    @once
    def admin(self, who):
        said = []
        admin = confluent_kafka.admin.AdminClient(self.settings(who) | {"error_cb": said.append})
        try:
            admin.list_topics(timeout=REFUSED)
        except confluent_kafka.KafkaException as error:
            admin.poll(0)
            raise RuntimeError(str(said[0] if said else error)) from error
        return admin

    @staticmethod
    def done(futures):
        for future in futures.values():
            future.result(SECONDS)

    def writes(self, who, topic):
        self.admin(who)
        ended = []
        producer = confluent_kafka.Producer(self.settings(who) | {"message.timeout.ms": 1000 * SECONDS})
        producer.produce(topic, EVENT, on_delivery=lambda error, _: ended.append(error))
        producer.flush(SECONDS)
        # A comparison of an error with `None` is a defect of the client: it leaves an exception behind.
        expect(ended and ended[0] is None, str(ended))

    def reads(self, who, topic, group):
        self.admin(who)
        consumer = confluent_kafka.Consumer(self.settings(who) | {"group.id": group, "enable.auto.commit": False,
                                                                  "auto.offset.reset": "earliest"})
        try:
            consumer.subscribe([topic])
            message = consumer.poll(SECONDS)
            expect(message, "nothing was read")
            expect(not message.error(), str(message.error()))
            consumer.commit(message, asynchronous=False)
        finally:
            consumer.close()

    def makes(self, who, topic):
        self.done(self.admin(who).create_topics([confluent_kafka.admin.NewTopic(topic, 1, 1)]))

    def deletes(self, who, topic):
        self.done(self.admin(who).delete_topics([topic]))

    def makes_user(self, who, user):
        """And takes it away."""
        sha512 = confluent_kafka.admin.ScramMechanism.SCRAM_SHA_512
        how = confluent_kafka.admin.ScramCredentialInfo(sha512, 4096)
        made = confluent_kafka.admin.UserScramCredentialUpsertion(user, how, b"a password of nobody's")
        self.done(self.admin(who).alter_user_scram_credentials([made]))
        gone = confluent_kafka.admin.UserScramCredentialDeletion(user, sha512)
        self.done(self.admin(who).alter_user_scram_credentials([gone]))


class CouchdbPython:
    def server(self, who):
        login = TOLD["couchdb"].get(who)
        before = f"{login['user']}:{login['password']}@" if login else ""
        return couchdb.Server(f"https://{before}{TOLD['documents']}/", session=couchdb.Session(timeout=SECONDS))

    def asks(self, who, *path):
        """What the server says of itself."""
        expect(self.server(who).resource(*path).get()[2].read(), "nothing is told")

    def lists(self, who):
        expect(list(self.server(who)), "no names are told")

    def sets(self, who, section, key, value):
        """And takes it away."""
        setting = self.server(who).resource("_node", "_local", "_config", section, key)
        setting.put_json(body=json.dumps(value))
        setting.delete_json()

    def opens(self, who, database):
        self.server(who)[database].info()

    def reads(self, who, database):
        list(self.server(who)[database])

    def follows(self, who, database):
        self.server(who)[database].changes(limit=1)

    def writes(self, who, database):
        """A document that is deleted as it is made: it counts as none."""
        self.server(who)[database].save({"_id": uuid.uuid4().hex, "_deleted": True})

    def makes(self, who, database):
        self.server(who).create(database)

    def deletes(self, who, database):
        self.server(who).delete(database)

    def designs(self, who, database):
        """And takes it away."""
        opened = self.server(who)[database]
        document = {"_id": "_design/tried", "views": {"all": {"map": "function (d) { emit(d._id); }"}}}
        opened.save(document)
        opened.delete(document)

    def lets_write(self, who, database):
        """Puts the function that refuses readers' writes in the place of itself."""
        opened = self.server(who)[database]
        opened.save(opened["_design/deployer-readers"])

    def secures(self, who, database):
        """Puts the access rules in the place of themselves."""
        opened = self.server(who)[database]
        opened.security = opened.security

    def compacts(self, who, database):
        self.server(who)[database].compact()

    def copies(self, who, source, target):
        self.server(who).replicate(source, target)

    def makes_user(self, who, name):
        """And takes it away."""
        server = self.server(who)
        server.add_user(name, "a password of nobody's")
        server.remove_user(name)


CLIENTS = {"kafka-python": KafkaPython(), "confluent-kafka": ConfluentKafka(), "couchdb-python": CouchdbPython()}


def attempt(row, number, who):
    status, said = 0, "done"
    try:
        getattr(CLIENTS[row["client"]], row["deed"].replace("-", "_"))(who, *row["arguments"])
    except Exception as error:
        status = 2 if isinstance(error, MISTAKES) else 1
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"result {number} {status}\n{said}"


def attempt_of_last(row, number, who):
    """What a row has made, a server that did not make it knows a moment later."""
    deadline = time.monotonic() + 20
    while True:
        said = attempt(row, number, who)
        if "made" not in row["arguments"] or said.startswith(f"result {number} 0") or time.monotonic() > deadline:
            return said
        time.sleep(0.2)


def main():
    logging.disable(logging.CRITICAL)
    os.environ["SSL_CERT_FILE"] = file("authority.pem", TOLD["authority"])
    with ThreadPoolExecutor() as pool:
        for row in TOLD["rows"]:
            first, last = row["first"], len(row["who"]) - 1
            others = pool.map(lambda one: attempt(row, first + one, row["who"][one]), range(last))
            for said in [*others, attempt_of_last(row, first + last, row["who"][last])]:
                print(said, flush=True)


with tempfile.TemporaryDirectory() as DIRECTORY:
    os.umask(0o077)
    TOLD = json.load(sys.stdin)
    main()
