package cli

import (
	"fmt"
	"runtime"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/telemetry"
)

// VersionCommand prints version, commit and Go version.
type VersionCommand struct{}

// Help implements kong's HelpProvider.
func (VersionCommand) Help() string {
	return `Prints the version, the commit and the version of Go.

Example:

  release-forwarder version`
}

// Run prints version, commit and Go version.
func (VersionCommand) Run(b telemetry.Build, out *console.Output) error {
	_, err := fmt.Fprintf(out, "release-forwarder %s\ncommit %s\n%s %s/%s\n", b.Version, b.Revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
