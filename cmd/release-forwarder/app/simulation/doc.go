// Package simulation plays the whole service against faults that are drawn from a seed, in virtual time, and holds it to
// the guarantees (docs/explanation/guarantees.md) by an observer that trusts no code of the service. It also plays deliberate
// mistakes, each of which the observer must find. docs/development/simulation.md tells how to run it and what it found.
package simulation
