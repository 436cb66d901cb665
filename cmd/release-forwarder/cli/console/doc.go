// Package console is what all commands share of a terminal: output that no text from outside can use to steer a
// terminal (Output, Screen), the signals that stop a command (Stopper), progress bars, exit codes, and how numbers and
// times are written and read.
package console
