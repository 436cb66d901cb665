// Package visible writes texts from outside so that a person sees what they hold:
// controls, direction marks and whatever else nobody sees are written as escapes, and a
// byte that is not UTF-8 as \xNN. Everything else stays as it is, Chinese and emoji too.
//
// [Writer] is the border: all that a command or the service writes to standard output and
// standard error goes through one. It cannot tell a line end of ours from one that came
// from outside, so a text from outside goes through [Line] or [Value] where it is put into
// a line.
package visible
