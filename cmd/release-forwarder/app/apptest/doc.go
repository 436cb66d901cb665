// Package apptest is a kit for tests of the whole service in virtual time: an embedded Kafka of three brokers, a double
// of the platform, and replicas of the unmodified service, connected by a network in memory. A test runs in a bubble
// of testing/synctest: an hour of outage takes seconds, and nothing waits for a real clock.
//
//	apptest.InVirtualTime(t, 1, func(w *apptest.World) {
//		r := w.Start("RETRY_BUDGET", "5")
//		w.Produce(0, apptest.Event(1, 0))
//		w.Until("the commit", func() bool { return w.Committed(0) == 1 })
//		w.End(r)
//	})
//
// What a test asserts comes from the platform's double, from Kafka and from what the service shows (its snapshot, log,
// pages and commands): observers that share no code with what they observe.
//
// Beside World there are:
//   - CraftedLog, a partition's log of batches that a test makes byte by byte (RawBatch);
//   - LeaderEpochs, which adds to the embedded Kafka what its leaders know of epochs;
//   - CommittedProgress, a commit's metadata, decoded by the format's description alone;
//   - InterceptedWire, which changes what the service and the brokers send each other;
//   - MountedFile, a file that is swapped as Kubernetes swaps a mounted one.
//
// Methods of World fail the test where Kafka does not answer as it should: they return no errors.
package apptest
