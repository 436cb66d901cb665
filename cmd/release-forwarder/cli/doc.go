// Package cli has the commands beside run: config, doctor, idle, offsets, version. Those on dead letters are in
// cli/deadletters; check and find have packages of their own too. main.go lists them all.
//
// A command is a struct whose fields are its flags (kong), with Help, and Run for the command line. One that talks to
// Kafka has Do, too: the same on a given screen and network, so that tests run it in virtual time. Commands print by
// console.Output alone, which lets no text from outside steer a terminal.
package cli
