"""A relay of mail: SMTP on loopback, each mail it takes a file of JSON in a directory.

smtp.py DIRECTORY PORT [CERTIFICATE KEY]: with a certificate it speaks only after STARTTLS, and to who logs in as `logs` with the
password `sesame`. Port 0: one of its own choice. DIRECTORY/port says which, once it listens. Who is called refused@… is refused.
"""

import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult

# Clients that break off are a part of what is tried.
logging.disable(logging.CRITICAL)
DIRECTORY, PORT, *PAIR = sys.argv[1:]


def keep(name, text):
    path = os.path.join(DIRECTORY, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        said = {
            "sender": envelope.mail_from,
            "receivers": envelope.rcpt_tos,
            "encrypted": session.ssl is not None,
            "from": str(mail["from"]),
            "to": str(mail["to"]),
            "subject": str(mail["subject"]),
            "id": str(mail["message-id"]),
            "text": mail.get_content(),
            "came": time.time(),
        }
        count = sum(name.endswith(".mail") for name in os.listdir(DIRECTORY))
        keep(f"{count:04}.mail", json.dumps(said))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"logs", b"sesame"))


def protocol():
    if not PAIR:
        return SMTP(Keeper(), hostname="relay")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*PAIR)
    return SMTP(
        Keeper(),
        hostname="relay",
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", int(PORT))
    keep("port", str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main())
