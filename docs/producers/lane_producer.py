import sys
from confluent_kafka import Producer

brokers, park_uuid, file = sys.argv[1:]  # kafka-1:9092 PARK_UUID event.json
producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"})
failed = []

def stored(error, message):
    failed.append(error) if error else print("partition", message.partition(), "offset", message.offset())

with open(file, "rb") as event:
    producer.produce("abnormal-release", key=park_uuid, value=event.read(), on_delivery=stored)
producer.flush()  # until Kafka has it, or message.timeout.ms
if failed:
    sys.exit(str(failed[0]))  # the same bytes again
