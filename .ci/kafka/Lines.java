import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import java.util.stream.Collectors;
import kafka.admin.ConfigCommand;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Gives command lines to Kafka's own tools, all in one process: docs/kafka_lines_test.go runs it. A line of standard input
 * is a tool's class and its arguments, with tabs between. For each line it prints one: ok, if nothing failed but the way to
 * the brokers, else what the tool said. Brokers have to be named at a closed port. CONFIG stands for a client's properties.
 */
class Lines {
  /** Instead of the end of the process. */
  static class Ended extends Error {
    Ended(int code, String message) { super(message); }
  }

  public static void main(String[] args) throws Exception {
    var answers = System.out;
    var config = Files.createTempFile("client", ".properties");
    Files.writeString(config, "default.api.timeout.ms=1\nrequest.timeout.ms=1\n");
    Exit.setExitProcedure((code, message) -> { throw new Ended(code, message); });
    Exit.setHaltProcedure((code, message) -> { throw new Ended(code, message); });
    Exit.setShutdownHookAdder((name, hook) -> { });
    var lines = new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n");
    System.setIn(InputStream.nullInputStream());
    for (var line : lines) {
      var words = List.of(line.replace("\tCONFIG\t", "\t" + config + "\t").split("\t", -1));
      answers.println(told(words.get(0), words.subList(1, words.size()).toArray(String[]::new)));
    }
    Files.delete(config);
    System.exit(0); // clients may still try to connect
  }

  /** What a tool says of its arguments. */
  static String told(String tool, String[] args) {
    var said = new ByteArrayOutputStream();
    var out = new PrintStream(said, true, StandardCharsets.UTF_8);
    System.setOut(out);
    System.setErr(out);
    try {
      times(args);
      if (tool.equals("kafka.admin.ConfigCommand"))
        configs(args);
      else
        Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) args);
    } catch (Throwable e) {
      var cause = e instanceof InvocationTargetException ? e.getCause() : e;
      if (cause.getMessage() != null) out.println(cause.getMessage());
    }
    var text = said.toString(StandardCharsets.UTF_8);
    if (text.isBlank() || PASSED.stream().anyMatch(text::contains))
      return "ok";
    text = text.substring(Math.max(0, text.indexOf(": error: "))); // behind a page of usage
    return text.lines().filter(l -> !l.isBlank() && !l.startsWith("\tat ")).limit(3).collect(Collectors.joining(" / "));
  }

  /** What tools say that have understood: they reach no broker, have read nothing, or ask a person. */
  static final List<String> PASSED =
      List.of("Timed out waiting for a node assignment", "Processed a total of 0 messages", "Are you sure you want to remove ACLs");

  /** kafka-configs.sh waits 30 seconds for brokers: so only what it does before, and whether Kafka has the topic's settings. */
  static void configs(String[] args) {
    var options = new ConfigCommand.ConfigCommandOptions(args);
    options.checkArgs();
    var added = ConfigCommand.parseConfigsToBeAdded(options);
    var deleted = ConfigCommand.parseConfigsToBeDeleted(options);
    if (options.entityTypes().contains("topics")) {
      LogConfig.validate(Utils.propsToStringMap(added));
      for (var name : scala.jdk.javaapi.CollectionConverters.asJava(deleted))
        if (!LogConfig.configNames().contains(name)) throw new IllegalArgumentException("Unknown topic config name: " + name);
    }
  }

  /** What kafka-consumer-groups.sh reads only after it has reached the group. */
  static void times(String[] args) throws Exception {
    for (var i = 0; i + 1 < args.length; i++) {
      if (args[i].equals("--to-datetime")) Utils.getDateTime(args[i + 1]);
      if (args[i].equals("--by-duration")) java.time.Duration.parse(args[i + 1]);
      if (args[i].equals("--shift-by") || args[i].equals("--to-offset")) Long.parseLong(args[i + 1]);
    }
  }
}
