package main

import (
	"fmt"
	"runtime"

	"release-forwarder/cmd/release-forwarder/telemetry"
)

type versionCommand struct{}

// Help implements kong's HelpProvider.
func (versionCommand) Help() string {
	return "Example:\n\n  release-forwarder version"
}

// Run prints version, commit and Go version.
func (versionCommand) Run(b telemetry.Build, out *output) error {
	_, err := fmt.Fprintf(out, "release-forwarder %s\ncommit %s\n%s %s/%s\n", b.Version, b.Revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
