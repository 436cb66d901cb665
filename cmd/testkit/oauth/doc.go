// Package oauth is what OAUTHBEARER needs beside a client, for tests: a [Provider] of tokens, and [Sessions], which
// add to an embedded Kafka the log-in by a token and the end of a session (KIP-255, KIP-368).
package oauth
