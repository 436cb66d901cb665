// Package account proves that nothing was lost: every record of the event topic
// was accepted by the platform, or lies in the dead-letter topic.
//
// It trusts nothing that the forwarder says. A [Book] keeps what the lanes sent
// and what the platform's double saw; [Kafka] reads back the event topic, the
// dead-letter topic and the committed offsets; [Settle] lays the two side by
// side. An [Account] closes only when each record has exactly one outcome, the
// dead letters are byte for byte what they are dead letters of, the platform
// received the values the lanes meant, order keys kept their order, and the
// commits stand at the end.
//
// Records that somebody else put into the topic are part of the account too, as
// far as their flow number can be read.
package account
