package telemetry

import "runtime/debug"

// NewBuild completes what a release build sets (version, revision) by what the Go toolchain has recorded in the binary.
func NewBuild(version, revision string) Build {
	b := Build{Version: version, Revision: revision}
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
