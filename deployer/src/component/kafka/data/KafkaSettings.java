import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.storage.internals.log.LogConfig;

/** Prints the settings that Kafka itself knows; see `make-kafka-settings`. */
class KafkaSettings {
    /** What a test holds against Kafka's own verdict. */
    static final List<String> SAMPLES = List.of(
            "0", "1", "-1", "-2", "7", " 5 ", "007", "+3", "1e9", "1000000000.0", "40000", "3000000000",
            "99999999999999999999", "true", "TRUE", "yes", "0.5", "-0.5", "banana", "zstd", "ZSTD", "delete",
            "compact,delete", "compact, shred", "CreateTime", "3.9", "3.9-IV0", "3.99", "upgrade", "0:1,1:2");

    public static void main(String[] arguments) {
        var scopes = new TreeMap<>(Map.of(
                "broker", kafka.server.KafkaConfig.configDef(), "topic", (ConfigDef) LogConfig.configDefCopy()));
        boolean verdicts = arguments.length > 0;
        if (verdicts) {
            System.out.println(String.join("\t", SAMPLES));
        }
        scopes.forEach((scope, definition) -> new TreeMap<>(definition.configKeys()).values().forEach(key ->
                System.out.println(verdicts ? verdicts(scope, key) : row(scope, key))));
    }

    static String row(String scope, ConfigDef.ConfigKey key) {
        String broker = scope.equals("topic") ? LogConfig.serverConfigName(key.name).orElse("-") : "-";
        return String.join("\t", scope, key.name, key.type.name().toLowerCase(), value(key.defaultValue),
                allowed(key), broker);
    }

    static String value(Object value) {
        if (value instanceof List<?> list) {
            return list.stream().map(Object::toString).collect(Collectors.joining(","));
        }
        return value == ConfigDef.NO_DEFAULT_VALUE ? "required" : String.valueOf(value);
    }

    /** What a value must be, in a word and its arguments. */
    static String allowed(ConfigDef.ConfigKey key) {
        String said = String.valueOf(key.validator);
        String inner = said.replaceAll("^.*\\[|\\].*$", "");
        return switch (key.validator == null ? "" : key.validator.getClass().getSimpleName()) {
            case "Range" -> "range " + range(inner);
            case "ValidString", "ValidList" -> "words " + inner.replace(", ", ",");
            case "CaseInsensitiveValidString" -> "anycase " + inner.replace(", ", ",");
            case "MetadataVersionValidator" -> "version " + inner.replace(", ", ",");
            case "ThrottledReplicaListValidator" -> "replicas";
            case "NonEmptyString" -> "nonempty";
            // The default, or at least one thread.
            case "LambdaValidator" -> "range 1 - -1";
            default -> said.matches("\\[.*\\] or -?\\d+")
                    ? "range " + range(inner) + " " + said.replaceAll("^.* or ", "") : "any";
        };
    }

    static String range(String inner) {
        var ends = new ArrayList<String>();
        for (String end : inner.split("\\.\\.\\.", -1)) {
            ends.add(end.replace(",", "").isEmpty() ? "-" : end.replace(",", ""));
        }
        return String.join(" ", ends);
    }

    static String verdicts(String scope, ConfigDef.ConfigKey key) {
        return scope + "\t" + key.name + "\t" + SAMPLES.stream().map(text -> {
            try {
                Object parsed = ConfigDef.parseType(key.name, text, key.type);
                if (key.validator != null) {
                    key.validator.ensureValid(key.name, parsed);
                }
                return "+";
            } catch (ConfigException | NullPointerException refused) {
                return "-";
            }
        }).collect(Collectors.joining());
    }
}
