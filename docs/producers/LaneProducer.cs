using System;
using System.IO;
using System.Threading.Tasks;
using Confluent.Kafka;

class LaneProducer {
  static async Task Main(string[] args) { // kafka-1:9092 PARK_UUID event.json
    var settings = new ProducerConfig { BootstrapServers = args[0], Acks = Acks.All, EnableIdempotence = true, Partitioner = Partitioner.Murmur2Random };
    using (var producer = new ProducerBuilder<string, byte[]>(settings).Build()) {
      var message = new Message<string, byte[]> { Key = args[1], Value = File.ReadAllBytes(args[2]) };
      var stored = await producer.ProduceAsync("abnormal-release", message); // on an exception: the same bytes again
      Console.WriteLine("partition " + stored.Partition.Value + " offset " + stored.Offset.Value);
    }
  }
}
