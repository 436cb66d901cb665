// Package connect is the one way in which the program reaches Kafka, and keeps
// what it learned from files up to date.
//
// [New] builds, from one dial function, a [wire.Client], and a [kafka.Dialer] to look at single
// brokers. They share client ID, TLS and SASL, and every connection they open
//
//   - has done its TLS handshake itself, within a bound, and is closed when that
//     fails (kafka-go leaks it);
//   - ends every read and write in time, of the Dialer's also where kafka-go sets no
//     deadline (SASL): a broker that accepts and never
//     answers costs a time-out, never a goroutine that waits for ever;
//   - hands on no answer whose lengths promise more than its bytes hold: kafka-go
//     allocates by them first, and one hostile number would end the process;
//   - uses the certificates and the password that the files hold at that moment.
//
// [Kafka.Reach] says at the start, in words, why a broker cannot be used.
//
// [Watched] re-reads any file when its contents change and keeps the last good
// ones in force. It is used for the platform's secret and CA too.
//
// What the settings mean and whether they fit is package settings'. Who calls
// what, and with which time-outs, is left to the callers.
package connect
