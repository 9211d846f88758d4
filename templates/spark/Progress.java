import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.streaming.StreamingQueryListener;

/**
 * What is seen of somebody else's program in the driver's place: which of its queries are active, and what their batches say. Spark
 * makes one for each session of it, and tells it all.
 */
public final class Progress extends StreamingQueryListener {
    /** The file in which it is said. */
    private static final String STATE = "spark.deployer.state";

    /** The stream's name. */
    private static final String STREAM = "spark.deployer.stream";

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path state;
    private final String stream;
    /** Active queries: the last batch of each, empty before its first. */
    private final Map<UUID, ObjectNode> queries = new TreeMap<>();
    private String error;

    /** As Spark makes it. */
    public Progress(SparkConf settings) {
        state = Path.of(settings.get(STATE));
        stream = settings.get(STREAM);
    }

    @Override
    public synchronized void onQueryStarted(QueryStartedEvent event) {
        queries.put(event.id(), JSON.createObjectNode());
        error = null;
        say();
    }

    @Override
    public synchronized void onQueryProgress(QueryProgressEvent event) {
        var progress = event.progress();
        var told = JSON.createObjectNode();
        told.put("batches", progress.batchId() + 1);
        var topics = told.putObject("topics");
        var records = 0L;
        for (var source : progress.sources()) {
            records = Math.max(records, source.numInputRows());
            // What is no topic of Kafka's has another form, or none.
            if (source.description().startsWith("KafkaV2")) {
                topics.setAll((ObjectNode) read(source.endOffset()));
            }
        }
        var last = told.putObject("last");
        last.put("at", java.time.Instant.parse(progress.timestamp()).plusMillis(progress.batchDuration()).toString());
        last.put("records", records);
        last.put("took_ms", progress.batchDuration());
        queries.put(progress.id(), told);
        say();
    }

    @Override
    public synchronized void onQueryTerminated(QueryTerminatedEvent event) {
        queries.remove(event.id());
        if (event.exception().isDefined()) {
            // Its first line says what; the rest is where.
            error = event.exception().get().lines().findFirst().orElse("");
        }
        say();
    }

    private static JsonNode read(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Of several queries that counts which is least far, and that read last. */
    private void say() {
        var said = JSON.createObjectNode();
        var told = said.putObject("streams").putObject(stream);
        told.put("queries", queries.size());
        var batches = Long.MAX_VALUE;
        var topics = told.putObject("topics");
        JsonNode last = null;
        for (var query : queries.values()) {
            batches = Math.min(batches, query.path("batches").asLong(0));
            query.path("topics").properties().forEach(topic -> topics.set(topic.getKey(), topic.getValue()));
            if (query.has("last") && (last == null || last.path("at").asText().compareTo(query.path("last").path("at").asText()) < 0)) {
                last = query.get("last");
            }
        }
        if (last != null) {
            told.put("batches", batches);
            told.set("last", last);
        }
        if (error != null) {
            said.put("error", error);
        }
        var next = state.resolveSibling(state.getFileName() + ".next");
        try {
            Files.writeString(next, said + "\n");
            Files.move(next, state, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
