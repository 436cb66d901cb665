package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"release-forwarder/cmd/release-forwarder/telemetry"
)

// Set by release builds (-ldflags "-X main.version=… -X main.revision=…").
var version, revision string

func buildInfo() telemetry.Build {
	b := telemetry.Build{Version: version, Revision: revision}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && b.Revision == "" {
			b.Revision = s.Value
		}
	}
	if b.Revision == "" {
		b.Revision = "unknown"
	}
	return b
}

type versionCommand struct{}

// Help implements kong's HelpProvider.
func (versionCommand) Help() string {
	return "Example:\n\n  release-forwarder version"
}

// Run prints version, commit and Go version.
func (versionCommand) Run(out *output) error {
	b := buildInfo()
	_, err := fmt.Fprintf(out, "release-forwarder %s\ncommit %s\n%s %s/%s\n", b.Version, b.Revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
