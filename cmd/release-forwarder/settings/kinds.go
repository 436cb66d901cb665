package settings

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // EVENT_TIMEZONE must not depend on the image

	"release-forwarder/mapping"
)

// kind is how the text of a setting becomes its value.
type kind struct {
	bounds string // what the table shows where the tags state no bounds
	// parse returns the value for a text that is trimmed and not empty. Its error
	// says what is wrong and the remedy, and continues a line that begins with the
	// setting's name. It never repeats the text, whatever the kind: a wrong value may
	// be a secret that was put in the wrong place.
	parse func(f *field, text string) (any, error)
	// show returns what may be printed of the text; nil: all of it.
	show func(text string) string
}

const (
	kindSecret = "secret"
	kindChoice = "choice"
)

// kinds holds what the tag `type` may name.
var kinds = map[string]kind{
	"text":               {parse: parseText},
	kindChoice:           {parse: parseChoice},
	"boolean":            {bounds: "true, false", parse: parseBoolean},
	"number":             {parse: parseNumber},
	"rate":               {parse: parseRate},
	"size":               {parse: parseSize},
	"time":               {bounds: "RFC 3339", parse: parseTime},
	"duration":           {parse: parseDuration},
	"topic name":         {bounds: "1 to 249 of A-Z a-z 0-9 . _ -", parse: parseTopic},
	"list of topics":     {bounds: "one or more, each 1 to 249 of A-Z a-z 0-9 . _ -", parse: parseTopics},
	"list of host:port":  {bounds: "one or more", parse: parseBrokers},
	"list of codes":      {bounds: "one or more", parse: parseCodes},
	"list of names":      {bounds: "names of hosts, without ports", parse: parseNames},
	"list of fields":     {bounds: "the four and other fields of the event", parse: parseFields},
	"time zone":          {bounds: "an IANA name", parse: parseZone},
	"address":            {bounds: "host:port, :port or none", parse: parseAddress},
	"level":              {bounds: "debug, info, warn, error", parse: parseLevel},
	"https URL":          {bounds: "https; http to this host alone", parse: parseSecureURL, show: showURL},
	"list of name=value": {bounds: "names of A-Z a-z", parse: parsePairs},
	"URL":                {bounds: "absolute, http or https", parse: parseURL, show: showURL},
	"file":               {bounds: "a path", parse: parseText},
	kindSecret:           {parse: parseSecretText, show: func(string) string { return redacted }},
}

func parseText(_ *field, text string) (any, error) { return text, nil }

func parseSecretText(_ *field, text string) (any, error) { return NewSecret(text), nil }

// parseChoice is without regard to case and returns the spelling of the table.
func parseChoice(f *field, text string) (any, error) {
	for _, c := range f.choices {
		if strings.EqualFold(c, text) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("is not one of %s", strings.Join(f.choices, ", "))
}

func parseBoolean(_ *field, text string) (any, error) {
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return nil, errors.New("is neither true nor false")
	}
	return b, nil
}

func parseNumber(f *field, text string) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("is not a whole number; give one from %s", f.Bounds)
	}
	least, most := mustInt(f.min), mustInt(f.max)
	if err != nil || n < least || n > most {
		return nil, fmt.Errorf("is out of bounds; give a number from %s", f.Bounds)
	}
	return n, nil
}

// decimal is a number without sign and exponent.
var decimal = regexp.MustCompile(`^[0-9]{1,32}(\.[0-9]{1,32})?$`)

func parseRate(f *field, text string) (any, error) {
	if !decimal.MatchString(text) {
		return nil, fmt.Errorf("is not a number; give one from %s, for example 50 or 0.5", f.Bounds)
	}
	rate, _ := strconv.ParseFloat(text, 64) // the form is right
	least, _ := strconv.ParseFloat(f.min, 64)
	most, _ := strconv.ParseFloat(f.max, 64)
	if rate < least || rate > most {
		return nil, fmt.Errorf("is out of bounds; give a number from %s", f.Bounds)
	}
	return rate, nil
}

func parseSize(f *field, text string) (any, error) {
	n, err := bytesOf(text)
	if err != nil {
		return nil, errors.New("is not a size; write it as 512KiB, 16MiB or in bytes")
	}
	least, _ := bytesOf(f.min)
	most, _ := bytesOf(f.max)
	if n < least || n > most {
		return nil, fmt.Errorf("is out of bounds; give a size from %s", f.Bounds)
	}
	return n, nil
}

// bytesOf reads a whole number of bytes, KiB, MiB or GiB. Sizes too large for an
// int64 are returned as the largest one.
func bytesOf(text string) (int64, error) {
	unit := int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, found := strings.CutSuffix(text, suffix); found {
			text, unit = strings.TrimSpace(digits), u
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if errors.Is(err, strconv.ErrRange) || (err == nil && n > math.MaxInt64/uint64(unit)) {
		return math.MaxInt64, nil
	}
	return int64(n) * unit, err
}

func parseDuration(f *field, text string) (any, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, errors.New("is not a duration; write it as 500ms, 10s or 1m30s")
	}
	most, _ := time.ParseDuration(f.max)
	least, _ := time.ParseDuration(cmp.Or(f.min, "1ns"))
	if d < least || d > most {
		return nil, fmt.Errorf("is out of bounds; give a duration %s", durationBounds(f))
	}
	return d, nil
}

func parseTime(_ *field, text string) (any, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, errors.New("is not a time; write it as 2026-01-02T15:04:05+08:00")
	}
	return t, nil
}

func durationBounds(f *field) string {
	if f.min != "" {
		return "from " + f.Bounds
	}
	return f.Bounds
}

// topicName is what Kafka accepts (org.apache.kafka.common.internals.Topic).
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func parseTopic(_ *field, text string) (any, error) {
	if !topicName.MatchString(text) || text == "." || text == ".." {
		return nil, errors.New("is not a topic's name; use 1 to 249 of A-Z a-z 0-9 . _ -")
	}
	return text, nil
}

func parseTopics(f *field, text string) (any, error) {
	topics := list(text)
	if len(topics) == 0 {
		return nil, errors.New("names no topic; give one, or several separated by commas")
	}
	for i, t := range topics {
		if _, err := parseTopic(f, t); err != nil {
			if len(topics) == 1 {
				return nil, err
			}
			return nil, fmt.Errorf("entry %d %w", i+1, err)
		}
	}
	return topics, nil
}

func parseBrokers(_ *field, text string) (any, error) {
	brokers := list(text)
	if len(brokers) == 0 {
		return nil, errors.New("names no broker; give host:port, separated by commas")
	}
	for i, b := range brokers {
		host, port, err := net.SplitHostPort(b)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || !isHost(host) {
			return nil, fmt.Errorf("entry %d is not host:port; give for example kafka-1:9092,kafka-2:9092, and a log-in by KAFKA_SASL_MECHANISM", i+1)
		}
	}
	return brokers, nil
}

// hostName is a name as a client says it (RFC 1123; Compose allows _ too); one of
// other letters goes by its xn-- form.
var hostName = regexp.MustCompile(`^([a-zA-Z0-9_][a-zA-Z0-9_-]{0,62}\.)*[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62}\.?$`)

// isHost reports whether a text is a name or an address. Whatever else stands before
// a port, such as a log-in, would be shown wherever the host is.
func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || hostName.MatchString(text)
}

func parseNames(_ *field, text string) (any, error) {
	names := list(text)
	if len(names) == 0 {
		return nil, errors.New("names no host; give for example status.example.com, or unset it")
	}
	for i, n := range names {
		if len(n) > 254 || !hostName.MatchString(n) {
			return nil, fmt.Errorf("entry %d is not a host's name; give names alone, without http://, port or *, separated by commas", i+1)
		}
	}
	return names, nil
}

// bodyCode is the form of a code that may be shown (docs/explanation/guarantees.md, P7); the
// platform's are 3 or 4 digits.
var bodyCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func parseCodes(_ *field, text string) (any, error) {
	codes := list(text)
	if len(codes) == 0 {
		return nil, errors.New("names no code; give for example 1001")
	}
	for i, c := range codes {
		if !bodyCode.MatchString(c) {
			return nil, fmt.Errorf("entry %d is not a code; give codes as in the answer's body, separated by commas", i+1)
		}
	}
	return codes, nil
}

func parseFields(_ *field, text string) (any, error) {
	named := list(text)
	for i, n := range named {
		if _, known := mapping.BuiltIn().Field(n); !known {
			return nil, fmt.Errorf("entry %d is not a field of an event; there are %s", i+1, strings.Join(mapping.BuiltIn().Names(), ", "))
		}
	}
	for _, r := range mapping.BuiltIn().Required() {
		if !slices.Contains(named, r) {
			return nil, fmt.Errorf("leaves out %s, which the platform demands; name it too", r)
		}
	}
	return named, nil
}

func parseZone(_ *field, text string) (any, error) {
	zone, err := time.LoadLocation(text)
	if err != nil || text == "Local" { // Local is whatever the machine's is: not a setting
		return nil, errors.New("is not a time zone; give an IANA name such as Asia/Shanghai or UTC")
	}
	return zone, nil
}

// parseAddress returns "" for none.
func parseAddress(_ *field, text string) (any, error) {
	if strings.EqualFold(text, "none") {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host != "" && !isHost(host) {
		return nil, errors.New("is not an address to listen on; give host:port, :port or none")
	}
	return text, nil
}

func parseLevel(f *field, text string) (any, error) {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return nil, fmt.Errorf("is not one of %s", f.Bounds)
}

// parseURL never repeats the text: its query or user may be a secret.
func parseURL(_ *field, text string) (any, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, errors.New("is not an absolute http or https URL; give for example https://api.4pyun.com/gate/1.0/parking/internal/update")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("has a port that does not exist; give one from 1 to 65535, or none")
		}
	}
	return u, nil
}

// parseSecureURL takes an address to which a secret is sent.
func parseSecureURL(_ *field, text string) (any, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Port() != "" && !isPort(u.Port()):
		return nil, errors.New("is not an absolute https URL; give for example https://login.example.com/oauth2/token")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("holds a user, a password or a fragment; leave them out")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("is http and not on this host: the secret would travel in clear; give an https URL")
	}
	return u, nil
}

// A SASL extension's name and value, as Kafka takes them (OAuthBearerClientInitialResponse).
var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]{1,64}$`)
	extensionValue = regexp.MustCompile(`^[\x21-\x7E]+$`)
)

func parsePairs(_ *field, text string) (any, error) {
	pairs := map[string]string{}
	for i, entry := range list(text) {
		name, value, _ := strings.Cut(entry, "=")
		_, twice := pairs[name]
		switch {
		case !extensionName.MatchString(name) || !extensionValue.MatchString(value):
			return nil, fmt.Errorf("entry %d is not name=value; give for example logicalCluster=lkc-1, separated by commas", i+1)
		case strings.EqualFold(name, "auth"):
			return nil, fmt.Errorf("entry %d is named auth, as the token is; leave it out", i+1)
		case twice:
			return nil, fmt.Errorf("entry %d has the name of one before it; keep one", i+1)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// showURL leaves out what may be a secret: the user's part, query and fragment.
func showURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return redacted
	}
	if u.User != nil {
		u.User = url.User(redacted)
	}
	if u.RawQuery != "" {
		u.RawQuery = redacted
	}
	u.Fragment, u.RawFragment = "", ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", redacted)
}

// list splits at commas, trims, and drops empty and repeated elements.
func list(text string) []string {
	var elements []string
	for e := range strings.SplitSeq(text, ",") {
		if e = strings.TrimSpace(e); e != "" && !slices.Contains(elements, e) {
			elements = append(elements, e)
		}
	}
	return elements
}

// mustInt reads a bound from a tag; the tests parse every one.
func mustInt(tag string) int {
	n, err := strconv.Atoi(tag)
	if err != nil {
		panic("settings: a number needs the tags min and max: " + err.Error())
	}
	return n
}
