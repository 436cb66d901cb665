// Package examine tells whoever makes events all that is wrong with one: what a mapper says of it, every fault
// behind the first, the keys that are ignored, and what was probably meant (an encoding, a form of a time).
//
// It is pure, as mapping is: no I/O, no clock. No input panics. Time and memory are linear in the value's length.
package examine
