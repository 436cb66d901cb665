// Package otelenv judges the OTEL_ variables that the OpenTelemetry SDK and its exporters
// read by themselves. They panic at some values, take others for none or for something
// else, and may log a variable's value, which can be a token. So each variable is judged
// before they see it: what cannot be used is removed from the environment, and a warning
// names the variable, never its value.
//
// What an exporter's or a propagator's name means is left to package telemetry.
package otelenv

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry/early"
)

// judge returns how a text that is trimmed and not empty is used, or why it cannot be. If it
// returns both, what is used is the rest of the text. why repeats nothing of the text.
type judge func(text string) (use, why string)

// variable is one of them; with a * in its name it is five: OTEL_EXPORTER_OTLP_*X is
// OTEL_EXPORTER_OTLP_X and those of the three signals.
type variable struct {
	name string
	judge
}

// Bounds. A queue takes its memory at once (log lines: 600 bytes each) or when it is
// full (spans: some KiB each): the most here is what the shipped memory limit has room for.
const (
	mostQueued       = 16_384
	mostMilliseconds = 24 * 60 * 60 * 1000
)

var (
	milliseconds = number(1, mostMilliseconds)
	queued       = number(1, mostQueued)
	limit        = number(-1, math.MaxInt32) // -1: none
	boolean      = choice("true", "false")
)

// variables are judged in this order: some look at those before them.
var variables = []variable{
	{"OTEL_SDK_DISABLED", boolean},
	{"OTEL_SERVICE_NAME", anyText},
	{"OTEL_RESOURCE_ATTRIBUTES", pairs(func(name string) bool { return name != "" })},
	{"OTEL_PROPAGATORS", anyText}, // and the next three: judged by package telemetry too
	{"OTEL_TRACES_EXPORTER", anyText},
	{"OTEL_METRICS_EXPORTER", anyText},
	{"OTEL_LOGS_EXPORTER", anyText},
	{"OTEL_TRACES_SAMPLER", choice("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")},
	{"OTEL_TRACES_SAMPLER_ARG", samplerArgument},
	{"OTEL_ATTRIBUTE_COUNT_LIMIT", limit},
	{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit},
	{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", limit},
	{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit},
	{"OTEL_SPAN_EVENT_COUNT_LIMIT", limit},
	{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", limit},
	{"OTEL_SPAN_LINK_COUNT_LIMIT", limit},
	{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", limit},
	{"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", limit},
	{"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit},
	{"OTEL_BSP_SCHEDULE_DELAY", milliseconds},
	{"OTEL_BSP_EXPORT_TIMEOUT", milliseconds},
	{"OTEL_BSP_MAX_QUEUE_SIZE", queued},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batch("OTEL_BSP_MAX_QUEUE_SIZE")},
	{"OTEL_BLRP_SCHEDULE_DELAY", milliseconds},
	{"OTEL_BLRP_EXPORT_TIMEOUT", milliseconds},
	{"OTEL_BLRP_MAX_QUEUE_SIZE", queued},
	{"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", batch("OTEL_BLRP_MAX_QUEUE_SIZE")},
	{"OTEL_METRIC_EXPORT_INTERVAL", milliseconds},
	{"OTEL_METRIC_EXPORT_TIMEOUT", milliseconds},
	{"OTEL_METRICS_EXEMPLAR_FILTER", choice("always_on", "always_off", "trace_based")},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", choice("cumulative", "delta", "lowmemory")},
	{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", choice("explicit_bucket_histogram", "base2_exponential_bucket_histogram")},
	{"OTEL_EXPORTER_OTLP_*PROTOCOL", choice("http/protobuf", grpc)},
	{"OTEL_EXPORTER_OTLP_*INSECURE", boolean},
	{"OTEL_EXPORTER_OTLP_*ENDPOINT", anyText}, // see judgeEndpoint
	{"OTEL_EXPORTER_OTLP_*HEADERS", pairs(isToken)},
	{"OTEL_EXPORTER_OTLP_*TIMEOUT", milliseconds},
	{"OTEL_EXPORTER_OTLP_*COMPRESSION", choice("gzip", "none")},
	{"OTEL_EXPORTER_OTLP_*CERTIFICATE", certificate},
	{"OTEL_EXPORTER_OTLP_*CLIENT_KEY", anyText}, // see judgeClient
	{"OTEL_EXPORTER_OTLP_*CLIENT_CERTIFICATE", anyText},
	{"OTEL_GO_X_CARDINALITY_LIMIT", limit},
	{"OTEL_GO_X_OBSERVABILITY", boolean},
	{"OTEL_GO_X_SELF_OBSERVABILITY", boolean},
	{"OTEL_GO_X_PER_SERIES_START_TIMESTAMPS", boolean},
	{"OTEL_GO_X_RESOURCE", boolean},
	{"OTEL_GO_X_DEPRECATED_RUNTIME_METRICS", boolean},
}

// restore runs once in the process, in which tests make several services.
var restore = sync.OnceFunc(early.Restore)

// Check leaves in the process's environment what can be used of the OTEL_ variables, and
// returns a warning for each that cannot: it counts as not set. It comes before anything
// of the SDK is made.
func Check() (warnings []string) {
	restore()
	warn := func(name, why string) { warnings = append(warnings, name+" cannot be used: "+why) }
	for _, v := range variables {
		for _, name := range v.names() {
			given := os.Getenv(name)
			use, err := settings.Text(given)
			why := ""
			switch {
			case err != nil:
				use, why = "", "it "+err.Error()
			case use == "":
			default:
				use, why = v.judge(use)
			}
			if why != "" {
				warn(name, why)
			}
			put(name, given, use)
		}
	}
	for _, signal := range signals {
		judgeEndpoint(signal, warn)
		judgeClient(signal, warn)
	}
	return warnings
}

const (
	otlp = "OTEL_EXPORTER_OTLP_"
	grpc = "grpc"
)

// signals are the parts of a variable's name, "" of those for all three.
var signals = []string{"", "TRACES_", "METRICS_", "LOGS_"}

func (v variable) names() (names []string) {
	before, after, several := strings.Cut(v.name, "*")
	if !several {
		return []string{v.name}
	}
	for _, signal := range signals {
		names = append(names, before+signal+after)
	}
	return names
}

// put sets a variable to what is used of it; "" unsets it.
func put(name, given, use string) {
	switch {
	case given == use:
	case use == "":
		_ = os.Unsetenv(name) // neither fails with such names
	default:
		_ = os.Setenv(name, use)
	}
}

func anyText(text string) (use, why string) { return text, "" }

func number(least, most int) judge {
	return func(text string) (use, why string) {
		if n, err := strconv.Atoi(text); err != nil || n < least || n > most {
			return "", fmt.Sprintf("give a whole number from %d to %d", least, most)
		}
		return text, ""
	}
}

// batch is a number that is no more than the queue has room for: the SDK would take
// another one, without a word.
func batch(queue string) judge {
	return func(text string) (use, why string) {
		if use, why = queued(text); why != "" {
			return "", why
		}
		room, err := strconv.Atoi(os.Getenv(queue)) // judged before
		if err != nil {
			room = 2048 // the specification's
		}
		if n, _ := strconv.Atoi(text); n > room {
			return "", fmt.Sprintf("it is above the %d of %s", room, queue)
		}
		return use, ""
	}
}

// choice takes the words whatever their case: libraries differ there.
func choice(words ...string) judge {
	return func(text string) (use, why string) {
		if text = strings.ToLower(text); !slices.Contains(words, text) {
			return "", "give one of " + strings.Join(words, ", ")
		}
		return text, ""
	}
}

func samplerArgument(text string) (use, why string) {
	ratio, err := strconv.ParseFloat(text, 64)
	switch sampler := os.Getenv("OTEL_TRACES_SAMPLER"); {
	case sampler == "":
		return "", "it has no effect without OTEL_TRACES_SAMPLER"
	case err != nil, !(ratio >= 0 && ratio <= 1): // NaN is neither
		return "", "give a number from 0 to 1"
	}
	return text, ""
}

// pairs is a list of name=value with names that are right and values in percent-encoding.
// A pair that is wrong is left out, and the others stay.
func pairs(rightName func(string) bool) judge {
	return func(text string) (use, why string) {
		var good, bad []string
		for i, pair := range strings.Split(text, ",") {
			if strings.TrimSpace(pair) == "" {
				continue // a comma at the end
			}
			name, value, found := strings.Cut(pair, "=")
			plain, err := url.PathUnescape(value)
			if err == nil {
				_, err = settings.Text(plain)
			}
			if !found || err != nil || !rightName(strings.TrimSpace(name)) {
				bad = append(bad, strconv.Itoa(i+1))
				continue
			}
			good = append(good, pair)
		}
		if len(bad) > 0 {
			why = fmt.Sprintf("entry %s of the list is no name=value in percent-encoding; the others count", strings.Join(bad, ", "))
		}
		return strings.Join(good, ","), why
	}
}

// isToken reports whether a header may have the name (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func certificate(path string) (use, why string) {
	if err := settings.CheckCertificates(path); err != nil {
		return "", "it names a file that is of no use: " + err.Error()
	}
	return path, ""
}
