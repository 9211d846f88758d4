"""Keeps the events that come, a line for each."""
import json
import os

from deployer_kafka import KAFKA_PYTHON
from kafka import KafkaConsumer

consumer = KafkaConsumer(
    "utilizations1",
    group_id=os.environ["KAFKA_GROUP"],
    auto_offset_reset="earliest",
    **KAFKA_PYTHON,
)
for record in consumer:
    event = json.loads(record.value)
    with open(os.path.join(os.environ["STATE_DIRECTORY"], "events"), "a") as kept:
        print(event["number"], event["value"].startswith("top - "), file=kept, flush=True)
    consumer.commit()
