package deployments

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/repo"
)

// TestSettingsForEachKafkaServiceAreTaken gives each block of docs/how-to/kafka-services.md, with what stands there for
// all of them, to the code that reads it. Both languages have the same blocks.
func TestSettingsForEachKafkaServiceAreTaken(t *testing.T) {
	blocks := settingsBlocks(t, "docs/how-to/kafka-services.md")
	if chinese := settingsBlocks(t, "docs/how-to/kafka-services.zh.md"); !slices.Equal(blocks, chinese) {
		t.Errorf("the pages differ in their blocks of settings:\n%q\n%q", blocks, chinese)
	}
	if len(blocks) < 7 {
		t.Fatalf("%d blocks are found: this looks at nothing", len(blocks))
	}
	common, services := blocks[0], blocks[1:]
	for _, service := range services {
		broker, _, _ := strings.Cut(service, "\n")
		t.Run(broker, func(t *testing.T) {
			for _, row := range settings.Table() {
				t.Setenv(row.Name, "")
			}
			file := standIn(t)
			for line := range strings.Lines(common + service) {
				name, value, is := strings.Cut(strings.TrimSpace(line), "=")
				if !is {
					t.Fatalf("%q sets nothing", line)
				}
				if strings.HasSuffix(name, "_FILE") && value != "" {
					value = file(name)
				}
				t.Setenv(name, value)
			}
			_, warnings, err := settings.Load()
			if err != nil {
				t.Error(err)
			}
			for _, w := range warnings {
				if told := w.String(); !strings.HasPrefix(told, "KAFKA_TLS_VERIFY: chain") && !strings.HasPrefix(told, "KAFKA_TLS_ENABLED: is off") {
					t.Errorf("warned of: %s", told)
				}
			}
		})
	}
}

// settingsBlocks are the contents of a page's blocks of settings.
func settingsBlocks(t *testing.T, page string) []string {
	t.Helper()
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```env\n(.*?)^```$").FindAllStringSubmatch(repo.Read(t, page), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}
