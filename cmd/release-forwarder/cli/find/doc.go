// Package find has the command find: it reads a time range of the topics and says of each event that fits where it is
// and what became of it. find.go is the command, match.go what fits, run.go and events.go the reading, receipts.go the
// receipts of done events, print.go the lines.
package find
