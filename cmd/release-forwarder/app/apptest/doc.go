// Package apptest is a world in virtual time for tests of the whole service: an embedded Kafka of three brokers, the
// platform's double, and replicas of the unmodified service, connected by a network in memory. A test runs in a bubble
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
// pages and commands): observers that share no code with what they observe. HandLog serves a log that was made byte by
// byte, Epochs adds leader epochs to the embedded Kafka, and Claim decodes a commit's metadata by the format's
// description alone.
package apptest
