package settings

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"release-forwarder/cmd/release-forwarder/spelling"
)

// prefixes are this program's: under them a name that is no setting is either a
// typing error or a misunderstanding.
var prefixes = []string{"KAFKA_", "DLQ_", "UPSTREAM_", "RETRY_", "LOT_", "CONSUMER_", "EVENT_", "MAPPING_", "RECEIPTS_", "ADMIN_", "LOG_"}

// injected matches what Kubernetes sets in each container for the Services of
// its namespace, whatever they are called (KAFKA_SERVICE_HOST,
// KAFKA_BOOTSTRAP_PORT_9092_TCP_ADDR):
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var injected = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// judgeNames refuses names that are close to a setting's and warns, once, of
// others under the program's prefixes. Where not all groups are loaded, only
// what concerns those that are is looked at.
func (l *loader) judgeNames(environ []string) {
	var unknown []string
	for _, name := range foreignNames(environ) {
		if near, is := nearest(name); is {
			if l.answers[near] != nil {
				l.wrong = append(l.wrong, Wrong{Name: name, Near: near})
			}
			continue
		}
		if plain, marked := strings.CutPrefix(name, byteOrderMark); marked {
			if l.answers[plain] != nil {
				l.wrong = append(l.wrong, Wrong{Name: strconv.QuoteToASCII(name), Near: plain, Text: "A byte order mark is before its name"})
			}
			continue
		}
		unknown = append(unknown, name)
	}
	if l.all && len(unknown) > 0 {
		l.warn(strings.Join(unknown, ", "), "unknown; ignored")
	}
}

// foreignNames returns, sorted, what is set under the program's prefixes and is
// neither a setting nor Kubernetes'.
func foreignNames(environ []string) []string {
	var names []string
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(strings.TrimPrefix(name, byteOrderMark), p) })
		if !ours || strings.TrimSpace(value) == "" || injected.MatchString(name) || position(name) < len(fields) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// nearest returns the setting that name is most likely a typing error of.
func nearest(name string) (setting string, found bool) {
	return spelling.Nearest(name, settingNames)
}

var settingNames = func() (names []string) {
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}()
