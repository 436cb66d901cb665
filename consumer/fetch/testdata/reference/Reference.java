import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.zip.CRC32;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.BufferSupplier;

/**
 * Writes logs with Apache Kafka's own classes, beside each what those classes read out of it. Run with
 * org.apache.kafka:kafka-clients:3.9.1 (the last line that writes magic 0 and 1) and its dependencies on the
 * class path:  java -cp "$CLASSPATH" Reference.java DIRECTORY
 */
public class Reference {
    static Path dir;

    public static void main(String[] args) throws Exception {
        dir = Path.of(args[0]);
        for (byte magic = 0; magic <= 2; magic++)
            for (CompressionType type : CompressionType.values()) {
                if (type == CompressionType.ZSTD && magic < 2) continue;
                for (TimestampType time : new TimestampType[] {TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME}) {
                    if (magic == 0 && time == TimestampType.LOG_APPEND_TIME) continue;
                    String kind = "magic" + magic + (time == TimestampType.LOG_APPEND_TIME ? "-append-time" : "");
                    ByteBuffer log = ByteBuffer.allocate(1 << 20);
                    for (int b = 0; b < 3; b++) append(log, magic, type, time, 100 + 50L * b, -1, 40);
                    write(kind, type.name, log);
                    write(kind + "-compacted", type.name, compacted(log));
                }
            }
        transactions();
    }

    static void append(ByteBuffer log, byte magic, CompressionType type, TimestampType time, long base, long producer, int n) {
        MemoryRecordsBuilder b = MemoryRecords.builder(log.slice(), magic, Compression.of(type).build(), time, base, 1_700_000_009_999L,
            producer, producer < 0 ? (short) -1 : (short) 3, producer < 0 ? -1 : 0, producer >= 0, 5);
        for (int i = 0; i < n; i++) {
            ByteBuffer key = i % 4 == 0 ? null : bytes(i % 4 == 1 ? "" : "key " + i);
            ByteBuffer value = i % 7 == 3 ? null : bytes(("value " + (base + i) + " ").repeat(i % 13));
            Header[] headers = magic < 2 || i % 3 != 0 ? new Header[0]
                : new Header[] {new RecordHeader("a", null), new RecordHeader("", new byte[0]), new RecordHeader("a", "v".getBytes())};
            b.appendWithOffset(base + i, 1_700_000_000_000L + i, key, value, headers);
        }
        MemoryRecords records = b.build();
        log.position(log.position() + records.sizeInBytes());
    }

    static void marker(ByteBuffer log, long offset, long producer, ControlRecordType type) {
        log.put(MemoryRecords.withEndTransactionMarker(offset, 1_700_000_000_000L, 5, producer, (short) 3,
            new EndTransactionMarker(type, 1)).buffer());
    }

    static void transactions() throws Exception {
        ByteBuffer log = ByteBuffer.allocate(1 << 20);
        append(log, (byte) 2, CompressionType.LZ4, TimestampType.CREATE_TIME, 0, 11, 5);
        append(log, (byte) 2, CompressionType.NONE, TimestampType.CREATE_TIME, 5, 12, 5);
        marker(log, 10, 11, ControlRecordType.COMMIT);
        append(log, (byte) 2, CompressionType.GZIP, TimestampType.CREATE_TIME, 11, -1, 2);
        marker(log, 13, 12, ControlRecordType.COMMIT);
        marker(log, 14, 13, ControlRecordType.ABORT);
        write("transactions", "mixed", log);
        write("transactions-compacted", "mixed", compacted(log));
    }

    /** What the log cleaner leaves when offsets 3, 4 of ten and all of 150 to 199 are gone. */
    static ByteBuffer compacted(ByteBuffer log) {
        ByteBuffer out = ByteBuffer.allocate(1 << 20);
        ByteBuffer in = log.duplicate();
        in.flip();
        MemoryRecords.readableRecords(in).filterTo(null, new MemoryRecords.RecordFilter(1_700_000_100_000L, 1000) {
            @Override protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(batch.magic() < 2 ? BatchRetention.DELETE_EMPTY : BatchRetention.RETAIN_EMPTY, batch.isControlBatch());
            }
            @Override protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                long o = record.offset();
                return batch.isControlBatch() || o % 10 != 3 && o % 10 != 4 && (o < 150 || o >= 200);
            }
        }, out, Integer.MAX_VALUE, BufferSupplier.NO_CACHING);
        return out;
    }

    static ByteBuffer bytes(String s) { return ByteBuffer.wrap(s.getBytes(StandardCharsets.UTF_8)); }

    static String sum(ByteBuffer b) {
        if (b == null) return "null";
        CRC32 crc = new CRC32();
        int n = b.remaining();
        crc.update(b);
        return n + ":" + Long.toHexString(crc.getValue());
    }

    /** The log goes to kind.codec.log, what is read to kind.txt, which is the same for all codecs. */
    static void write(String kind, String codec, ByteBuffer log) throws Exception {
        log = log.duplicate();
        log.flip();
        byte[] b = new byte[log.remaining()];
        log.get(b);
        Files.write(dir.resolve(kind + "." + codec + ".log"), b);
        long next = 0;
        try (PrintWriter w = new PrintWriter(dir.resolve(kind + ".txt").toFile())) {
            for (RecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(b)).batches()) {
                next = batch.nextOffset();
                if (batch.isControlBatch()) continue;
                for (Record r : batch) {
                    w.print(r.offset() + " " + r.timestamp() + " " + sum(r.key()) + " " + sum(r.value()));
                    for (Header h : r.headers()) w.print(" " + HexFormat.of().formatHex(h.key().getBytes()) + "=" + (h.value() == null ? "null" : HexFormat.of().formatHex(h.value())));
                    w.println();
                }
            }
            w.println("next " + next);
        }
    }
}
