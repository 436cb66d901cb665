import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.io.File;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Compares with Strimzi's own classes of its custom resources: the definitions that we wrote by hand, field by field, and
 * the objects of the manifests, which must hold nothing that the classes do not know.
 *
 * java -cp LIB/* Compare.java DEFINITIONS OBJECTS…
 */
public class Compare {
    static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
    static final Map<String, Class<?>> KINDS = Map.of("KafkaTopic", KafkaTopic.class, "KafkaUser", KafkaUser.class);
    static final List<String> WRONG = new ArrayList<>();
    static int fields, objects;

    public static void main(String[] args) throws Exception {
        for (JsonNode definition : documents(args[0])) {
            String kind = definition.at("/spec/names/kind").asText();
            for (JsonNode version : definition.at("/spec/versions")) {
                schema(KINDS.get(kind), version.at("/schema/openAPIV3Schema"), kind);
            }
        }
        for (int i = 1; i < args.length; i++) {
            for (JsonNode object : documents(args[i])) {
                Class<?> kind = KINDS.get(object.path("kind").asText());
                if (kind != null) {
                    objects++;
                    object(kind, object, object.path("kind").asText() + " " + object.at("/metadata/name").asText());
                }
            }
        }
        WRONG.forEach(System.err::println);
        System.out.printf("strimzi: %s: %d fields of our definitions and %d objects compared with its classes, %d differ%n",
            KafkaTopic.class.getProtectionDomain().getCodeSource().getLocation().getPath().replaceAll(".*/(.*)\\.jar", "$1"), fields, objects, WRONG.size());
        System.exit(WRONG.isEmpty() && fields > 15 && objects > 5 ? 0 : 1);
    }

    static List<JsonNode> documents(String file) throws Exception {
        return YAML.readerFor(JsonNode.class).<JsonNode>readValues(new File(file)).readAll();
    }

    /** Each property of the schema is one of the class, and each list of values that of its enum. */
    static void schema(Type type, JsonNode schema, String path) throws Exception {
        for (Iterator<Map.Entry<String, JsonNode>> i = schema.path("properties").fields(); i.hasNext();) {
            Map.Entry<String, JsonNode> property = i.next();
            String at = path + "." + property.getKey();
            Type found = typeOf(type, property.getKey());
            fields++;
            if (found == null) {
                WRONG.add(at + ": Strimzi's " + type.getTypeName() + " has no such field");
                continue;
            }
            schema(found, property.getValue(), at);
            values(names(type, property.getKey(), found), property.getValue(), at);
        }
        if (schema.has("items")) {
            Type element = ((ParameterizedType) type).getActualTypeArguments()[0];
            schema(element, schema.get("items"), path + "[]");
            values(names(type, "", element), schema.get("items"), path + "[]");
        }
    }

    static void values(TreeSet<String> theirs, JsonNode schema, String path) {
        TreeSet<String> ours = new TreeSet<>();
        schema.path("enum").forEach(v -> ours.add(v.asText()));
        if (!ours.isEmpty() && !ours.equals(theirs)) {
            WRONG.add(path + ": " + ours + ", Strimzi has " + theirs);
        }
    }

    /** What a field may be: the values of an enum, or, of the field type, the names of the class's subtypes. */
    static TreeSet<String> names(Type in, String field, Type type) throws Exception {
        TreeSet<String> names = new TreeSet<>();
        if (type instanceof Class<?> c && c.isEnum()) {
            for (Object v : c.getEnumConstants()) {
                names.add((String) c.getMethod("toValue").invoke(v));
            }
        } else if (field.equals("type") && in instanceof Class<?> c && c.isAnnotationPresent(JsonSubTypes.class)) {
            for (JsonSubTypes.Type t : c.getAnnotation(JsonSubTypes.class).value()) {
                names.add(t.name());
            }
        }
        return names;
    }

    /** Every field of the object is one of the class, or of a subclass where the type names it. */
    static void object(Type type, JsonNode value, String path) {
        if (value.isArray() && type instanceof ParameterizedType list) {
            value.forEach(v -> object(list.getActualTypeArguments()[0], v, path + "[]"));
        }
        if (!value.isObject() || type instanceof ParameterizedType || type == Object.class || path.endsWith(".metadata")) {
            return;
        }
        value.fields().forEachRemaining(property -> {
            Type found = typeOf(type, property.getKey());
            if (found == null) {
                WRONG.add(path + "." + property.getKey() + ": Strimzi has no such field");
            } else {
                object(found, property.getValue(), path + "." + property.getKey());
            }
        });
    }

    /** The type of a field, as its getter says; null where neither the class nor one of its subtypes has it. */
    static Type typeOf(Type type, String name) {
        if (!(type instanceof Class<?> c)) {
            return null;
        }
        String getter = "get" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
        for (Method m : c.getMethods()) {
            if (m.getName().equals(getter) && m.getParameterCount() == 0 && m.getReturnType() != Object.class) {
                return m.getGenericReturnType();
            }
        }
        JsonSubTypes subtypes = c.getAnnotation(JsonSubTypes.class);
        if (subtypes != null) {
            for (JsonSubTypes.Type t : subtypes.value()) {
                Type found = typeOf(t.value(), name);
                if (found != null) {
                    return found;
                }
            }
        }
        return null;
    }
}
