// Package check has the command check: it shows what would become of events, in English or Chinese, and sends nothing.
// What is wrong with an event is found by package examine; here it is put into words.
package check
