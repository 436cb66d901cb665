import java.nio.file.*;
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

class LaneProducer {
  public static void main(String[] args) throws Exception { // kafka-1:9092 PARK_UUID event.json
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all", "enable.idempotence", true);
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
      var event = new ProducerRecord<>("abnormal-release", args[1], Files.readAllBytes(Path.of(args[2])));
      var stored = producer.send(event).get(); // on an exception: the same bytes again
      System.out.println("partition " + stored.partition() + " offset " + stored.offset());
    }
  }
}
