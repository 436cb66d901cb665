package cli

import (
	"testing"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// world is apptest's, with what the tests here need.
type world struct{ *apptest.World }

// inVirtualTime runs a test in a bubble of virtual time.
func inVirtualTime(t *testing.T, partitions int32, test func(w *world)) {
	t.Helper()
	apptest.InVirtualTime(t, partitions, func(w *apptest.World) { test(&world{w}) })
}
