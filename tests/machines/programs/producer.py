"""Sends what `top` says, as the students' own producer does."""
import json
import os
import subprocess
from datetime import datetime, timezone

from deployer_kafka import KAFKA_PYTHON
from kafka import KafkaProducer

producer = KafkaProducer(acks="all", **KAFKA_PYTHON)
for number in range(1, 21):
    text = subprocess.run(["top", "-b", "-n", "1"], capture_output=True, check=True).stdout
    event = {
        "number": number,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "value": text.decode(errors="replace"),
    }
    key = os.environ["NODE"].encode()
    producer.send("utilizations1", json.dumps(event).encode(), key).get(timeout=60)
producer.close()
