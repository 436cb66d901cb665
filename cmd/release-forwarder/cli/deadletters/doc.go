// Package deadletters has the commands of dlq: list, show, replay, close, export, stats. They print and ask. What a dead
// letter is, and how one is replayed, is in dlq; what may be shown without --reveal is in redact.
package deadletters
