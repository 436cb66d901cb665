// Package console is what all commands share of a terminal: the two ways out, past which no text from outside steers a
// terminal (Output, Screen), the signals that stop a command (Stopper), progress bars, exit codes, and how numbers and
// times are written and read.
package console
