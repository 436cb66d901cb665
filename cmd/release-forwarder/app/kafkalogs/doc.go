// Package kafkalogs runs the service on logs that were made byte by byte, as brokers really hold them: transactions,
// compaction, old formats, damage. docs/development/kafka-logs.md is its page.
package kafkalogs
