package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"release-forwarder/cmd/release-forwarder/telemetry"
)

// version is set by release builds (-ldflags "-X main.version=…").
var version string

func buildInfo() telemetry.Build {
	b := telemetry.Build{Version: version, Revision: "unknown"}
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
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

type versionCommand struct{}

// Help implements kong's HelpProvider.
func (versionCommand) Help() string {
	return "Example:\n\n  release-forwarder version"
}

// Run prints version, commit and Go version.
func (versionCommand) Run() error {
	b := buildInfo()
	fmt.Printf("release-forwarder %s\ncommit %s\n%s %s/%s\n", b.Version, b.Revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
