// Package redact decides what commands may show of events and dead letters without --reveal: personal fields by their
// first character and length; keys, headers and values that cannot be parsed by their length; other members by their
// number. Which fields are personal is in mapping's table of fields.
package redact
