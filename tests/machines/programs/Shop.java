import java.io.FileReader;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends twenty orders, and tries a topic that it may not write to. */
class Shop {
    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        try (var file = new FileReader(System.getenv("KAFKA_CONFIG_JAVA"))) {
            settings.load(file);
        }
        settings.put("max.block.ms", "20000");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int n = 1; n <= 20; n++) {
                producer.send(new ProducerRecord<>("orders", "{\"n\": " + n + "}")).get();
            }
            try {
                producer.send(new ProducerRecord<>("private", "{}")).get();
                System.out.println("private: written");
            } catch (Exception refused) {
                System.out.println("private: " + refused.getMessage());
            }
        }
    }
}
