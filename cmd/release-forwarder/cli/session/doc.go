// Package session is what commands on Kafka share: one client for one command, opened from the settings and closed with
// it, and errors that name the setting or the right to look at.
package session
