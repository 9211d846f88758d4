import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathFilter;
import org.apache.hadoop.fs.PositionedReadable;
import org.apache.hadoop.fs.Seekable;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager;

/**
 * Checkpoints of streams that several nodes work on: their files lie with the driver, as those of one node do, and others
 * read and write them through it, by the connections that Spark has. So no node needs a disk of all, and none has a state
 * that another lacks.
 */
public final class Checkpoints implements SparkPlugin {
    /** Below it lie all checkpoints. */
    private static final String ROOT = "spark.deployer.checkpoints";

    /** How much goes in one message. */
    private static final int PART = 4 << 20;

    /** The way to the driver; {@code null}: this process is the driver. */
    private static volatile PluginContext way;

    private static volatile java.nio.file.Path root;

    /** What is asked of the driver. */
    private record Request(String verb, String path, String temporary, long from, byte[] bytes, boolean replace)
            implements Serializable {}

    /** What lies in a directory. */
    private record Entry(String path, long length, boolean directory, long modified) implements Serializable {}

    @Override
    public DriverPlugin driverPlugin() {
        return new DriverPlugin() {
            @Override
            public Map<String, String> init(SparkContext spark, PluginContext context) {
                root = java.nio.file.Path.of(spark.conf().get(ROOT)).normalize();
                return Map.of();
            }

            @Override
            public Object receive(Object message) throws IOException {
                return answer((Request) message);
            }
        };
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> said) {
                way = context;
            }
        };
    }

    private static Object ask(String verb, Path path, String temporary, long from, byte[] bytes, boolean replace) {
        var request = new Request(verb, path.toUri().getPath(), temporary, from, bytes, replace);
        Object answer;
        try {
            answer = way == null ? answer(request) : way.ask(request);
        } catch (Exception error) {
            throw Checkpoints.<RuntimeException>as(error);
        }
        if (answer instanceof IOException error) {
            throw Checkpoints.<RuntimeException>as(error);
        }
        return answer;
    }

    private static Object ask(String verb, Path path) {
        return ask(verb, path, "", 0, new byte[0], false);
    }

    /** An error as it is: Spark catches those that its own methods, in Scala, do not say that they throw. */
    @SuppressWarnings("unchecked")
    private static <E extends Throwable> E as(Throwable error) throws E {
        throw (E) error;
    }

    /** Does what is asked; what fails because of a file that is there, or is not, is an answer. */
    private static Object answer(Request request) throws IOException {
        var path = java.nio.file.Path.of(request.path()).normalize();
        if (!path.startsWith(root)) {
            throw new IOException(path + " is no checkpoint");
        }
        switch (request.verb()) {
            case "exists":
                return Files.exists(path);
            case "mkdirs":
                Files.createDirectories(path);
                return true;
            case "delete":
                return delete(path);
            case "list":
                return list(path);
            case "read":
                return read(path, request.from());
            case "write":
                return write(path.resolveSibling(request.temporary()), request.from(), request.bytes());
            case "publish":
                return publish(path.resolveSibling(request.temporary()), path, request.replace());
            default:
                throw new IOException(request.verb());
        }
    }

    private static Object delete(java.nio.file.Path path) throws IOException {
        if (!Files.exists(path)) {
            return false;
        }
        try (var within = Files.walk(path)) {
            for (var each : within.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(each);
            }
        }
        return true;
    }

    private static Object list(java.nio.file.Path path) throws IOException {
        var entries = new ArrayList<Entry>();
        try (var all = Files.list(path)) {
            for (var each : all.toList()) {
                try {
                    var about = Files.readAttributes(each, BasicFileAttributes.class);
                    var modified = about.lastModifiedTime().toMillis();
                    entries.add(new Entry(each.toString(), about.size(), about.isDirectory(), modified));
                } catch (NoSuchFileException gone) {
                    // Another one removed it meanwhile.
                }
            }
        } catch (NoSuchFileException none) {
            return new FileNotFoundException(path.toString());
        }
        return entries;
    }

    private static Object read(java.nio.file.Path path, long from) throws IOException {
        try (var file = FileChannel.open(path)) {
            var part = ByteBuffer.allocate((int) Math.max(0, Math.min(PART, file.size() - from)));
            while (part.hasRemaining() && file.read(part, from + part.position()) >= 0) {
                // A read may bring less than there is.
            }
            return Arrays.copyOf(part.array(), part.position());
        } catch (NoSuchFileException none) {
            return new FileNotFoundException(path.toString());
        }
    }

    private static Object write(java.nio.file.Path path, long from, byte[] bytes) throws IOException {
        Files.createDirectories(path.getParent());
        try (var file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            var part = ByteBuffer.wrap(bytes);
            while (part.hasRemaining()) {
                file.write(part, from + part.position());
            }
        }
        return true;
    }

    private static Object publish(java.nio.file.Path temporary, java.nio.file.Path path, boolean replace)
            throws IOException {
        if (!replace && Files.exists(path)) {
            Files.delete(temporary);
            return new FileAlreadyExistsException(path.toString());
        }
        // What Hadoop noted beside an older one of that name.
        Files.deleteIfExists(path.resolveSibling("." + path.getFileName() + ".crc"));
        Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        return true;
    }

    /** The files, as Spark asks for them, of the driver and of others. */
    public static final class Manager implements CheckpointFileManager {
        private final Path path;

        /** As Spark makes it. */
        public Manager(Path path, Configuration configuration) {
            this.path = path;
        }

        @Override
        public CancellableFSDataOutputStream createAtomic(Path path, boolean replace) {
            var file = new Written(path, replace);
            return new CancellableFSDataOutputStream(file) {
                @Override
                public void cancel() {
                    file.cancel();
                }
            };
        }

        @Override
        public FSDataInputStream open(Path path) {
            var all = new ByteArrayOutputStream();
            byte[] part;
            do {
                part = (byte[]) ask("read", path, "", all.size(), new byte[0], false);
                all.writeBytes(part);
            } while (part.length == PART);
            return new FSDataInputStream(new Read(all.toByteArray()));
        }

        @Override
        public FileStatus[] list(Path path, PathFilter filter) {
            @SuppressWarnings("unchecked")
            var entries = (List<Entry>) ask("list", path);
            return entries.stream()
                    .map(entry -> new FileStatus(
                            entry.length(),
                            entry.directory(),
                            1,
                            0,
                            entry.modified(),
                            new Path("file:" + entry.path())))
                    .filter(status -> filter.accept(status.getPath()))
                    .toArray(FileStatus[]::new);
        }

        @Override
        public void mkdirs(Path path) {
            ask("mkdirs", path);
        }

        @Override
        public boolean exists(Path path) {
            return (boolean) ask("exists", path);
        }

        @Override
        public void delete(Path path) {
            ask("delete", path);
        }

        @Override
        public boolean isLocal() {
            return false;
        }

        @Override
        public Path createCheckpointDirectory() {
            mkdirs(path);
            return new Path("file:" + path.toUri().getPath());
        }
    }

    /** A file in the making: it is there once it is closed, whole. */
    private static final class Written extends OutputStream {
        private final Path path;
        private final boolean replace;
        private final String temporary;
        private final ByteArrayOutputStream part = new ByteArrayOutputStream();
        private long sent;
        private boolean ended;

        Written(Path path, boolean replace) {
            this.path = path;
            this.replace = replace;
            this.temporary = "." + path.getName() + "." + UUID.randomUUID() + ".tmp";
        }

        @Override
        public void write(int one) {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            part.write(bytes, from, length);
            if (part.size() >= PART) {
                send();
            }
        }

        private void send() {
            ask("write", path, temporary, sent, part.toByteArray(), false);
            sent += part.size();
            part.reset();
        }

        @Override
        public void close() {
            if (!ended) {
                ended = true;
                send();
                ask("publish", path, temporary, 0, new byte[0], replace);
            }
        }

        void cancel() {
            ended = true;
            ask("delete", new Path(path.getParent(), temporary));
        }
    }

    /** A file that was read. */
    private static final class Read extends ByteArrayInputStream implements Seekable, PositionedReadable {
        Read(byte[] bytes) {
            super(bytes);
        }

        @Override
        public void seek(long to) {
            pos = (int) to;
        }

        @Override
        public long getPos() {
            return pos;
        }

        @Override
        public boolean seekToNewSource(long to) {
            return false;
        }

        @Override
        public int read(long at, byte[] into, int from, int length) {
            var there = Math.min(length, count - (int) at);
            if (there <= 0) {
                return -1;
            }
            System.arraycopy(buf, (int) at, into, from, there);
            return there;
        }

        @Override
        public void readFully(long at, byte[] into, int from, int length) throws IOException {
            if (read(at, into, from, length) < length) {
                throw new EOFException();
            }
        }

        @Override
        public void readFully(long at, byte[] into) throws IOException {
            readFully(at, into, 0, into.length);
        }
    }
}
