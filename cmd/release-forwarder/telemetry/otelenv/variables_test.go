package otelenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clear takes all the variables out of the environment until the test's end.
func clear(t *testing.T) {
	t.Helper()
	for _, v := range variables {
		for _, name := range v.names() {
			t.Setenv(name, "") // put back at the end
			_ = os.Unsetenv(name)
		}
	}
}

// check gives what Check makes of some variables.
func check(t *testing.T, env map[string]string) (now map[string]string, warnings []string) {
	t.Helper()
	clear(t)
	for name, value := range env {
		t.Setenv(name, value)
	}
	warnings = Check()
	now = map[string]string{}
	for name := range env {
		if value, set := os.LookupEnv(name); set {
			now[name] = value
		}
	}
	return now, warnings
}

var signalsOf = func(name string) []string { return variable{name: name}.names() }

func TestWhatCannotBeUsedIsNamedAndTakenAway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s3cret")
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	numbers := []string{"abc", "-2", "1.5", "1e3", "99999999999", "99999999999999999999", "0x10", "5s", "7\u200b", "7 8"}
	times := append([]string{"0", "-1", "86400001", "10s"}, numbers...)
	queues := append([]string{"0", "-1", "16385"}, numbers...)
	words := []string{"s3cret", "always-on", "1", "yes", "on", "true,false", "\x1b[1m"}
	addresses := []string{
		"collector:4318", "10.0.0.1:4318", "collector", "/v1/traces", "//collector:4318", "http://", "http:///v1", "http://:4318", "ftp://collector", "unix:///s3cret",
		"http://collector:s3cret", "http://collector:70000", "http://collector:0", "http://user:s3%cret@collector", "http://s3 cret", "http://[::1", "'http://collector:4318'",
	}
	lists := []string{"s3cret", "=s3cret", "a=%zzs3cret", "a=%ff", "a=%00s3cret", "a=s3%0Acret", "a=s3\u200bcret"}
	for name, values := range map[string][]string{
		"OTEL_SDK_DISABLED": words, "OTEL_GO_X_OBSERVABILITY": words, "OTEL_TRACES_SAMPLER": append([]string{"jaeger_remote", "traceidratio=0.1"}, words...),
		"OTEL_SERVICE_NAME": {"s3\xffcret", "s3\u2028cret"}, "OTEL_TRACES_EXPORTER": {"ot\u200blp"},
		"OTEL_RESOURCE_ATTRIBUTES": lists, "OTEL_EXPORTER_OTLP_*HEADERS": append([]string{"na me=s3cret", "na:me=s3cret", "näme=s3cret"}, lists...),
		"OTEL_TRACES_SAMPLER_ARG": {"0.5"},
		"OTEL_BSP_SCHEDULE_DELAY": times, "OTEL_BSP_EXPORT_TIMEOUT": times, "OTEL_BSP_MAX_QUEUE_SIZE": queues, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": append([]string{"2049"}, queues...),
		"OTEL_BLRP_SCHEDULE_DELAY": times, "OTEL_BLRP_EXPORT_TIMEOUT": times, "OTEL_BLRP_MAX_QUEUE_SIZE": queues, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": append([]string{"2049"}, queues...),
		"OTEL_METRIC_EXPORT_INTERVAL": times, "OTEL_METRIC_EXPORT_TIMEOUT": times, "OTEL_EXPORTER_OTLP_*TIMEOUT": times,
		"OTEL_ATTRIBUTE_COUNT_LIMIT": numbers, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": numbers, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": numbers,
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": numbers, "OTEL_SPAN_EVENT_COUNT_LIMIT": numbers, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": numbers,
		"OTEL_SPAN_LINK_COUNT_LIMIT": numbers, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": numbers,
		"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": numbers, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": numbers, "OTEL_GO_X_CARDINALITY_LIMIT": numbers,
		"OTEL_METRICS_EXEMPLAR_FILTER": words, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": words, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": words,
		"OTEL_EXPORTER_OTLP_*PROTOCOL": append([]string{"http/json", "http"}, words...), "OTEL_EXPORTER_OTLP_*INSECURE": words,
		"OTEL_EXPORTER_OTLP_*COMPRESSION": append([]string{"brotli", "gz"}, words...), "OTEL_EXPORTER_OTLP_*ENDPOINT": addresses,
		"OTEL_EXPORTER_OTLP_*CERTIFICATE": {"/missing", file, t.TempDir()}, "OTEL_EXPORTER_OTLP_*CLIENT_KEY": {file}, "OTEL_EXPORTER_OTLP_*CLIENT_CERTIFICATE": {file},
	} {
		for _, name := range signalsOf(name) {
			for _, value := range values {
				now, warnings := check(t, map[string]string{name: value})
				if len(warnings) != 1 || !strings.HasPrefix(warnings[0], name+" cannot be used: ") || strings.ContainsAny(warnings[0], "\n\x1b") {
					t.Errorf("%s=%q: warnings %q", name, value, warnings)
				} else if strings.Contains(warnings[0], "s3") || strings.Contains(warnings[0], "cret") {
					t.Errorf("%s=%q: the value shows in %q", name, value, warnings[0])
				}
				if got, set := now[name]; set {
					t.Errorf("%s=%q is still there, as %q", name, value, got)
				}
			}
		}
	}
}

func TestWhatCanBeUsedStaysOrIsMadeClean(t *testing.T) {
	for name, values := range map[string][][2]string{ // as given, as used
		"OTEL_SDK_DISABLED":                      {{"true", "true"}, {" TRUE\r\n", "true"}, {"False", "false"}},
		"OTEL_SERVICE_NAME":                      {{"gate north", "gate north"}, {"\ufeff闸机\r\n", "闸机"}},
		"OTEL_TRACES_EXPORTER":                   {{" otlp, console \n", "otlp, console"}},
		"OTEL_RESOURCE_ATTRIBUTES":               {{"a=b,c=%E9%97%B8,", "a=b,c=%E9%97%B8"}, {"a=b", "a=b"}, {"a=", "a="}},
		"OTEL_EXPORTER_OTLP_*HEADERS":            {{"Authorization=Basic%20eDp5,x-k=v=w\n", "Authorization=Basic%20eDp5,x-k=v=w"}},
		"OTEL_BSP_MAX_QUEUE_SIZE":                {{"1", "1"}, {"16384\n", "16384"}},
		"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE":        {{"2048", "2048"}},
		"OTEL_BSP_SCHEDULE_DELAY":                {{" 5000 ", "5000"}, {"1", "1"}, {"86400000", "86400000"}},
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":        {{"0", "0"}, {"-1", "-1"}, {"128\n", "128"}},
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": {{"2147483647", "2147483647"}},
		"OTEL_TRACES_SAMPLER":                    {{"ParentBased_TraceIdRatio", "parentbased_traceidratio"}},
		"OTEL_EXPORTER_OTLP_*COMPRESSION":        {{"GZIP", "gzip"}, {"none", "none"}},
		"OTEL_EXPORTER_OTLP_*PROTOCOL":           {{"gRPC\n", "grpc"}, {"http/protobuf", "http/protobuf"}},
		"OTEL_EXPORTER_OTLP_*ENDPOINT": {
			{"http://collector:4318", "http://collector:4318"}, {" https://[fd00::1]:4318/otlp/\r\n", "https://[fd00::1]:4318/otlp/"}, {"\ufeffHTTP://collector", "HTTP://collector"},
		},
		"OTEL_EXPORTER_OTLP_*INSECURE": {{"True", "true"}},
	} {
		for _, name := range signalsOf(name) {
			for _, pair := range values {
				given, used := pair[0], pair[1]
				now, warnings := check(t, map[string]string{name: given})
				if len(warnings) > 0 || now[name] != used {
					t.Errorf("%s=%q is used as %q, warnings %q; want %q", name, given, now[name], warnings, used)
				}
			}
		}
	}
}

func TestWhatBelongsTogether(t *testing.T) {
	const endpoint, traces = otlp + "ENDPOINT", otlp + "TRACES_ENDPOINT"
	for name, c := range map[string]struct {
		env, now map[string]string
		warned   string // the names, in order
	}{
		"of a list the good entries stay": {
			map[string]string{otlp + "HEADERS": "authorization=s3cret,broken,x=y,=z"}, map[string]string{otlp + "HEADERS": "authorization=s3cret,x=y"}, otlp + "HEADERS",
		},
		"an address loses what is not sent": {
			map[string]string{endpoint: "https://user:s3cret@collector:4318/a?token=s3cret#x"}, map[string]string{endpoint: "https://collector:4318/a"}, endpoint,
		},
		"by gRPC a host and port are enough": {
			map[string]string{endpoint: "collector:4317", otlp + "PROTOCOL": "grpc"},
			map[string]string{endpoint: "https://collector:4317", otlp + "PROTOCOL": "grpc"}, "",
		},
		"in clear where that is said": {
			map[string]string{traces: "10.0.0.1:4317", otlp + "TRACES_PROTOCOL": "grpc", otlp + "INSECURE": "TRUE"},
			map[string]string{traces: "http://10.0.0.1:4317", otlp + "TRACES_PROTOCOL": "grpc", otlp + "INSECURE": "true"}, "",
		},
		"gRPC's own names of addresses": {
			map[string]string{endpoint: "unix:///run/otel.sock", traces: "dns:///collector:4317", otlp + "PROTOCOL": "grpc"},
			map[string]string{endpoint: "unix:///run/otel.sock", traces: "dns:///collector:4317", otlp + "PROTOCOL": "grpc"}, "",
		},
		"by gRPC too there must be a port that exists": {
			map[string]string{endpoint: "collector:grpc", otlp + "PROTOCOL": "grpc"}, map[string]string{otlp + "PROTOCOL": "grpc"}, endpoint,
		},
		"a wrong protocol is none": {
			map[string]string{endpoint: "collector:4317", otlp + "PROTOCOL": "grpcs"}, map[string]string{}, otlp + "PROTOCOL " + endpoint,
		},
		"a batch fits its queue": {
			map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "4096", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"},
			map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "4096", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}, "",
		},
		"one that does not is none": {
			map[string]string{"OTEL_BLRP_MAX_QUEUE_SIZE": "100", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "101"},
			map[string]string{"OTEL_BLRP_MAX_QUEUE_SIZE": "100"}, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
		},
		"a ratio for a sampler that takes one": {
			map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05\n"},
			map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05"}, "",
		},
		"a ratio that is no number": {
			map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"},
			map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio"}, "OTEL_TRACES_SAMPLER_ARG",
		},
		"a ratio above all": {
			map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "5%"},
			map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, "OTEL_TRACES_SAMPLER_ARG",
		},
		"a key that is none": {
			map[string]string{otlp + "LOGS_CLIENT_KEY": "/missing", otlp + "LOGS_CLIENT_CERTIFICATE": "/missing"}, map[string]string{}, otlp + "LOGS_CLIENT_CERTIFICATE",
		},
		"what is no SDK's is left alone": {
			map[string]string{"OTEL_FOO": "\x01", "OTEL_EXPORTER_ZIPKIN_ENDPOINT": "nonsense"},
			map[string]string{"OTEL_FOO": "\x01", "OTEL_EXPORTER_ZIPKIN_ENDPOINT": "nonsense"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			now, warnings := check(t, c.env)
			for name, value := range c.env {
				if got, set := now[name]; got != c.now[name] || set != (c.now[name] != "") {
					t.Errorf("%s=%q is now %q, want %q", name, value, got, c.now[name])
				}
			}
			var names []string
			for _, w := range warnings {
				name, _, _ := strings.Cut(w, " ")
				names = append(names, name)
			}
			if slices.Sort(names); !slices.Equal(names, sorted(c.warned)) || strings.Contains(strings.Join(warnings, " "), "s3cret") {
				t.Errorf("warnings %q, want of %q", warnings, c.warned)
			}
		})
	}
}

func sorted(names string) []string {
	fields := strings.Fields(names)
	slices.Sort(fields)
	return fields
}
