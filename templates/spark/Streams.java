import static org.apache.spark.sql.functions.array;
import static org.apache.spark.sql.functions.call_function;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.concat_ws;
import static org.apache.spark.sql.functions.current_timestamp;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.monotonically_increasing_id;
import static org.apache.spark.sql.functions.regexp_extract;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.to_json;
import static org.apache.spark.sql.functions.when;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.master.Master$;
import org.apache.spark.deploy.worker.Worker$;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.analysis.UnsupportedOperationChecker;
import org.apache.spark.sql.catalyst.streaming.InternalOutputModes;
import org.apache.spark.sql.streaming.SourceProgress;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructType;
import scala.Option;

/**
 * The driver of a deployment's streams: each moves what its SQL makes of the rows of one topic to another topic.
 *
 * <p>{@code Streams run JOB} runs them until one ends, with {@code CLUSTER}, a file, on several nodes; {@code Streams check JOB} only looks whether all could run, and
 * {@code Streams try JOB FILE} shows what the one stream of a job makes of the lines of a file.
 */
public final class Streams {
    /** The exit code for a job that can never run: trying again does not help. */
    private static final int REFUSED = 65;

    /** What producers put around what they saw. */
    private static final String ENVELOPE =
            "schema INT, timestamp TIMESTAMP, client STRING, host STRING, run STRING, sequence BIGINT, kind STRING";

    /** The column in which Spark leaves a text that is not as the columns are. */
    private static final String CORRUPT = "_corrupt_record";

    /** Columns that each row has beside those of its stream. */
    private static final List<String> BESIDE = List.of("event", "kafka", CORRUPT);

    /** How many rows {@code try} shows. */
    private static final int SHOWN = 1000;

    /** A batch that takes longer than so many looks is one that takes long. */
    private static final int LONG = 10;

    private static final ObjectMapper JSON = new ObjectMapper();

    /** A query that was started, and where it notes what it has done. */
    private record Query(StreamingQuery query, String from, Path checkpoint, int[] looks) {
        /** Whether it is at a batch for many looks already; each counts. */
        boolean working() {
            var status = query.status();
            looks[0] = status.isTriggerActive() && status.isDataAvailable() ? looks[0] + 1 : 0;
            return looks[0] > LONG;
        }

        /** How many batches are done. */
        long batches() throws IOException {
            var commits = checkpoint.resolve("commits");
            if (!Files.isDirectory(commits)) {
                return 0;
            }
            try (var all = Files.list(commits)) {
                var names = all.map(path -> path.getFileName().toString());
                return names.filter(name -> name.matches("[0-9]+")).mapToLong(Long::parseLong).max().orElse(-1) + 1;
            }
        }

        /** Up to where a batch has read, for each of its sources: below a version and a line about the batch. */
        List<JsonNode> ends(long batch) throws IOException {
            var ends = new ArrayList<JsonNode>();
            if (batch >= 0) {
                for (var line : Files.readAllLines(checkpoint.resolve("offsets/" + batch)).stream().skip(2).toList()) {
                    // So it is written where a source had nothing yet.
                    ends.add(line.equals("-") ? JSON.createObjectNode() : JSON.readTree(line));
                }
            }
            return ends;
        }

        /** When the last batch was done, and what it was where this process did it. */
        ObjectNode last() throws IOException {
            var batch = batches() - 1;
            var told = JSON.createObjectNode();
            told.put("at", Files.getLastModifiedTime(checkpoint.resolve("commits/" + batch)).toInstant().toString());
            var progress = query.lastProgress();
            if (progress != null && progress.batchId() == batch) {
                var read = Arrays.stream(progress.sources()).mapToLong(SourceProgress::numInputRows);
                told.put("records", read.max().orElse(0));
                told.put("took_ms", progress.batchDuration());
            }
            return told;
        }
    }

    /** Why a stream cannot run, in words. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(JsonNode stream, String why) {
            super("stream `" + text(stream, "name") + "`: " + why);
        }

        Refused(List<String> all) {
            super(String.join("\n", all));
        }
    }

    /** What a stream makes: rows for its topic, and what did not parse, for another; {@code null}: it takes all rows. */
    private record Made(Dataset<Row> good, Dataset<Row> bad) {}

    public static void main(String[] arguments) throws Exception {
        try {
            var job = JSON.readTree(new File(arguments[1]));
            if (arguments[0].equals("run") && arguments.length > 2) {
                gather(arguments[2]);
            }
            var spark = SparkSession.builder().getOrCreate();
            switch (arguments[0]) {
                case "run" -> run(spark, job);
                case "check" -> check(spark, job);
                case "try" -> attempt(spark, job, arguments[2]);
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(REFUSED);
        }
        System.exit(0);
    }

    /** Makes this process the master of several nodes and the first of those that work for it, by a file of settings. */
    private static void gather(String file) throws IOException {
        var said = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(file))) {
            said.load(reader);
        }
        said.forEach((key, value) -> System.setProperty(key.toString(), value.toString()));
        var settings = new SparkConf();
        var master = settings.get("spark.master");
        var host = settings.get("spark.driver.host");
        // Its own page is that of the streams: those of master and worker have any port.
        Master$.MODULE$.startRpcEnvAndEndpoint(host, URI.create(master).getPort(), 0, settings);
        Worker$.MODULE$.startRpcEnvAndEndpoint(
                host,
                settings.getInt("spark.deployer.worker.port", 0),
                0,
                Runtime.getRuntime().availableProcessors(),
                (int) settings.getSizeAsMb("spark.executor.memory"),
                new String[] {master},
                settings.get("spark.local.dir") + "/work",
                Option.empty(),
                settings,
                Option.empty());
    }

    private static void check(SparkSession spark, JsonNode job) throws Refused {
        var all = new ArrayList<String>();
        for (var stream : job.get("streams")) {
            try {
                made(source(spark, job, stream), stream);
            } catch (Refused refused) {
                all.add(refused.getMessage());
            }
        }
        if (!all.isEmpty()) {
            throw new Refused(all);
        }
    }

    private static void attempt(SparkSession spark, JsonNode job, String file) throws Refused {
        for (var stream : job.get("streams")) {
            var lines = spark.read().textFile(file);
            var records = lines.select(
                    lit(null).cast("string").as("key"),
                    col("value"),
                    lit(text(stream, "from")).as("topic"),
                    lit(0).as("partition"),
                    monotonically_increasing_id().as("offset"),
                    current_timestamp().as("timestamp"));
            var made = made(records, stream);
            try {
                made.good().show(SHOWN, false);
                if (made.bad() != null && !made.bad().isEmpty()) {
                    System.out.println("what does not parse:");
                    made.bad().select("reason", "value").show(SHOWN, false);
                }
            } catch (Exception error) {
                throw new Refused(stream, words(error));
            }
        }
    }

    /** Starts all queries, says how far they are, and ends when the first of them does. */
    private static void run(SparkSession spark, JsonNode job) throws Exception {
        var state = Path.of(text(job, "state"));
        var checkpoints = Path.of(text(job, "checkpoints"));
        forget(checkpoints, job);
        // What a former run said is not so any more.
        Files.deleteIfExists(state);
        var queries = new HashMap<String, List<Query>>();
        for (var stream : job.get("streams")) {
            var made = made(source(spark, job, stream), stream);
            var own = checkpoints.resolve(text(stream, "checkpoint"));
            var started = new ArrayList<Query>();
            started.add(start(job, stream, made.good(), "to", own.resolve("good")));
            if (made.bad() != null) {
                started.add(start(job, stream, kept(made.bad()), "bad", own.resolve("bad")));
            }
            queries.put(text(stream, "name"), started);
        }
        var marker = text(job, "marker");
        try {
            var said = "";
            do {
                var now = progress(spark, queries, marker).toString();
                if (!now.equals(said)) {
                    write(state, now);
                    said = now;
                }
            } while (!spark.streams().awaitAnyTermination(1000));
            throw new IllegalStateException("a stream has ended");
        } catch (StreamingQueryException error) {
            var last = progress(spark, queries, marker);
            last.put("error", words(error));
            write(state, last.toString());
            throw error;
        }
    }

    /** Removes the checkpoints of streams that are not there any more, or not as they were. */
    private static void forget(Path checkpoints, JsonNode job) throws IOException {
        Files.createDirectories(checkpoints);
        Set<String> kept = new HashSet<>();
        job.get("streams").forEach(stream -> kept.add(text(stream, "checkpoint")));
        try (var all = Files.list(checkpoints)) {
            for (var old : all.filter(path -> !kept.contains(path.getFileName().toString())).toList()) {
                try (var within = Files.walk(old)) {
                    for (var path : within.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(path);
                    }
                }
            }
        }
    }

    private static Query start(JsonNode job, JsonNode stream, Dataset<Row> rows, String to, Path checkpoint)
            throws Exception {
        var query = rows.writeStream()
                .queryName(text(stream, "name") + (to.equals("to") ? "" : " " + to))
                .format("kafka")
                .options(options(job))
                .option("topic", text(stream, to))
                .option("checkpointLocation", checkpoint.toString())
                .outputMode(text(stream, "mode"))
                .trigger(Trigger.ProcessingTime(stream.get("every_ms").asLong()))
                .start();
        return new Query(query, text(stream, "from"), checkpoint, new int[1]);
    }

    /** How far each stream is, by what its checkpoints have: of several queries, and sources of one, the last counts. */
    private static ObjectNode progress(SparkSession spark, Map<String, List<Query>> queries, String marker)
            throws IOException {
        var state = JSON.createObjectNode();
        if (!spark.sparkContext().isLocal()) {
            // The driver is among them.
            state.put("workers", spark.sparkContext().statusTracker().getExecutorInfos().length - 1);
        }
        var streams = state.putObject("streams");
        for (var entry : queries.entrySet()) {
            var told = streams.putObject(entry.getKey());
            var batches = Long.MAX_VALUE;
            var markers = Long.MAX_VALUE;
            var working = false;
            var read = new TreeMap<String, Long>();
            for (var query : entry.getValue()) {
                working |= query.working();
                var batch = query.batches() - 1;
                var ends = query.ends(batch);
                batches = Math.min(batches, batch + 1);
                if (ends.isEmpty()) {
                    markers = 0;
                }
                for (var end : ends) {
                    markers = Math.min(markers, end.path(marker).path("0").asLong(0));
                    for (var partition : end.path(query.from()).properties()) {
                        read.merge(partition.getKey(), partition.getValue().asLong(), Math::min);
                    }
                }
            }
            told.put("markers", markers);
            told.put("batches", batches);
            told.put("working", working);
            told.set("read", JSON.valueToTree(read));
            var first = entry.getValue().get(0);
            if (first.batches() > 0) {
                told.set("last", first.last());
            }
        }
        return state;
    }

    private static void write(Path path, String text) throws IOException {
        var next = path.resolveSibling(path.getFileName() + ".next");
        Files.writeString(next, text + "\n");
        Files.move(next, path, StandardCopyOption.ATOMIC_MOVE);
    }

    /** The records of a stream's topic. Beside them it reads those by which is seen how far it is, which nobody sees. */
    private static Dataset<Row> source(SparkSession spark, JsonNode job, JsonNode stream) {
        return spark.readStream()
                .format("kafka")
                .options(options(job))
                .option("kafka.isolation.level", "read_committed")
                .option("subscribe", text(stream, "from") + "," + text(job, "marker"))
                .option("startingOffsets", "earliest")
                .option("maxOffsetsPerTrigger", job.get("most_per_batch").asLong())
                .load()
                .where(col("topic").equalTo(text(stream, "from")))
                .select(
                        col("key").cast("string"),
                        col("value").cast("string"),
                        col("topic"),
                        col("partition"),
                        col("offset"),
                        col("timestamp"));
    }

    private static Map<String, String> options(JsonNode job) {
        return JSON.convertValue(job.get("kafka"), new TypeReference<Map<String, String>>() {});
    }

    /** Parses the records, shows the good ones to the stream's SQL under their topic's name, and looks at what comes of it. */
    private static Made made(Dataset<Row> records, JsonNode stream) throws Refused {
        var place = struct(col("key"), col("topic"), col("partition"), col("offset"), col("timestamp"));
        var event = from_json(col("value"), StructType.fromDDL(ENVELOPE), Map.<String, String>of());
        var ours = col("event.kind").isNotNull().and(col("event.client").isNotNull());
        // What a producer saw stands under the name of its kind; `deployer send` calls it `event`.
        var field = when(col("event.kind").equalTo("json"), "event").otherwise(col("event.kind"));
        // Not by a path, which would be read anew for each row.
        var within = call_function("json_tuple", col("value"), field);
        var rows = records.withColumn("kafka", place)
                .withColumn("event", once(event))
                .withColumn("payload", within)
                .withColumn("payload", call_function("coalesce", when(ours, col("payload")), col("value")))
                .withColumn("event", when(ours, col("event")))
                .select("kafka", "event", "value", "payload");
        var parse = stream.path("parse");
        Dataset<Row> bad = null;
        try {
            if (parse.has("json") || parse.has("regex")) {
                var parsed = parse.has("json") ? json(rows, stream, parse) : matched(rows, stream, parse);
                var columns = parsed.select("row.*").columns();
                var shown = new ArrayList<Column>();
                for (var column : columns) {
                    if (!column.equals(CORRUPT)) {
                        shown.add(col("row.`" + column + "`"));
                    }
                }
                shown.add(col("event"));
                shown.add(col("kafka"));
                rows = parsed.where(col("reason").isNull()).select(shown.toArray(Column[]::new));
                bad = parsed.where(col("reason").isNotNull());
            } else {
                rows = rows.select(col("payload").as("value"), col("event"), col("kafka"));
            }
        } catch (Refused refused) {
            throw refused;
        } catch (Exception | LinkageError error) {
            throw new Refused(stream, "`parse`: " + words(error));
        }
        try {
            // Quoted: a topic's name may hold `-` and `.`.
            rows.createOrReplaceTempView("`" + text(stream, "from") + "`");
            var good = written(rows.sparkSession().sql(text(stream, "sql")), stream);
            if (records.isStreaming()) {
                if (!good.isStreaming()) {
                    throw new Refused(stream, "its SQL reads nothing of `" + text(stream, "from") + "`");
                }
                var plan = ((org.apache.spark.sql.classic.Dataset<Row>) good).queryExecution().analyzed();
                UnsupportedOperationChecker.checkForStreaming(plan, InternalOutputModes.apply(text(stream, "mode")));
            }
            return new Made(good, bad);
        } catch (Refused refused) {
            throw refused;
        } catch (Exception | LinkageError error) {
            throw new Refused(stream, words(error));
        }
    }

    /** Rows with the columns of a JSON object as `row`, and a `reason` where they are bad. */
    private static Dataset<Row> json(Dataset<Row> rows, JsonNode stream, JsonNode parse) throws Refused {
        var said = text(parse, "json");
        var wanted = StructType.fromDDL(said);
        free(stream, wanted.fieldNames());
        var options = Map.of("mode", "PERMISSIVE", "columnNameOfCorruptRecord", CORRUPT);
        var parsed = rows.withColumn("row", once(from_json(col("payload"), wanted.add(CORRUPT, "string"), options)));
        var corrupt = col("row").isNull().or(col("row." + CORRUPT).isNotNull());
        return parsed.withColumn("reason", required(when(corrupt, "is no JSON object with " + said), parse));
    }

    /** Rows with the groups of a pattern as `row`, and a `reason` where they are bad. */
    private static Dataset<Row> matched(Dataset<Row> rows, JsonNode stream, JsonNode parse) throws Refused {
        var regex = text(parse, "regex");
        var names = new ArrayList<String>();
        parse.get("columns").forEach(column -> names.add(column.asText()));
        free(stream, names.toArray(String[]::new));
        var there = Pattern.compile(regex).matcher("").groupCount();
        if (there != names.size()) {
            throw new Refused(
                    stream, "`parse`: the pattern has " + there + " groups, and there are " + names.size() + " columns");
        }
        var groups = new ArrayList<Column>();
        for (var index = 0; index < names.size(); index++) {
            var group = regexp_extract(col("payload"), regex, index + 1);
            // A group that took no part is no text.
            groups.add(when(group.notEqual(""), group).as(names.get(index)));
        }
        var parsed = rows.withColumn("row", once(struct(groups.toArray(Column[]::new))));
        var other = call_function("coalesce", col("payload").rlike(regex), lit(false)).equalTo(false);
        return parsed.withColumn("reason", required(when(other, "does not match " + regex), parse));
    }

    /**
     * What is looked at several times and takes long, done once for each row: else Spark puts it in the place of each look, and parses
     * a row again for each of its columns. It does not look into what comes of a list, here one of one.
     */
    private static Column once(Column column) {
        return explode(array(column));
    }

    private static Column required(Column reason, JsonNode parse) {
        for (var column : parse.path("require")) {
            var missing = col("row." + column.asText()).isNull();
            reason = reason.when(missing, "has no `" + column.asText() + "`");
        }
        return reason;
    }

    private static void free(JsonNode stream, String[] columns) throws Refused {
        for (var column : columns) {
            if (BESIDE.contains(column)) {
                throw new Refused(stream, "`parse`: each row has a column `" + column + "` already");
            }
        }
    }

    /** What is kept of bad rows, each under its place, so that one that is written twice is there once. */
    private static Dataset<Row> kept(Dataset<Row> rows) {
        var key = concat_ws("-", col("kafka.topic"), col("kafka.partition"), col("kafka.offset"));
        var value = struct(
                col("kafka.topic"),
                col("kafka.partition"),
                col("kafka.offset"),
                col("kafka.timestamp"),
                col("kafka.key"),
                col("value"),
                col("reason"));
        return rows.select(key.as("key"), text(value).as("value"));
    }

    /** What is written to the stream's topic: texts. */
    private static Dataset<Row> written(Dataset<Row> rows, JsonNode stream) throws Refused {
        var columns = Arrays.asList(rows.columns());
        if (columns.size() != 2 || !columns.containsAll(List.of("key", "value"))) {
            throw new Refused(
                    stream, "its SQL must give the two columns `key` and `value`, and gives " + String.join(", ", columns));
        }
        var type = rows.schema().apply("value").dataType();
        var value = nested(type) ? text(col("value")) : col("value").cast("string");
        if (nested(rows.schema().apply("key").dataType())) {
            throw new Refused(stream, "its `key` must be a single value, such as a text");
        }
        return rows.select(col("key").cast("string").as("key"), value.as("value"));
    }

    /** JSON whose moments keep their microseconds. */
    private static Column text(Column nested) {
        return to_json(nested, Map.of("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"));
    }

    private static boolean nested(DataType type) {
        return type instanceof StructType || type instanceof MapType || type instanceof ArrayType;
    }

    /** Spark's own words, without the plan that it adds. */
    private static String words(Throwable error) {
        var message = error.getMessage() == null ? error.toString() : error.getMessage();
        var plan = message.indexOf(";\n");
        return (plan < 0 ? message : message.substring(0, plan)).strip();
    }

    private static String text(JsonNode node, String key) {
        return node.get(key).asText();
    }
}
