// Package connect reaches Kafka, and keeps values from files up to date. It knows dialing, TLS, SASL,
// time-outs and the bounds of answers. It does not know what the settings mean and whether they are valid
// (package settings), which requests are sent, or their time-outs.
//
// [New] builds from one dial function a [wire.Client] for requests, and a [kafka.Dialer] to look at single
// brokers. Both use the same client ID, TLS and SASL. Every connection
//
//   - does its TLS handshake itself, within a bound, and is closed when that fails (kafka-go leaks it);
//   - has an end for every read and write: the wire sets deadlines, and on the Dialer's connections a limit
//     counts where kafka-go sets none (SASL). A broker that accepts and never answers costs a time-out, not
//     a goroutine;
//   - passes on no answer of those that kafka-go decodes whose lengths exceed its bytes: kafka-go allocates
//     by lengths first, and one hostile number would end the process;
//   - uses the certificates and the password that the files hold at that moment.
//
// [Kafka.Reach] says at the start why a broker cannot be used.
//
// [Watched] reloads files when their contents change and keeps the last good contents in force. The platform's
// secret and CA use it too.
package connect
