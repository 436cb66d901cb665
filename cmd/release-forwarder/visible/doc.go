// Package visible writes texts from outside so that a person sees what they hold:
// controls, direction marks and other invisible characters are written as escapes, and a
// byte that is not UTF-8 as \xNN. Everything else stays as it is, Chinese and emoji too.
//
// Everything that a command or the service writes to standard output and standard error
// goes through a [Writer]. A Writer cannot distinguish our line ends from those of a text
// from outside, so such a text goes through [Line] or [Value] before it is put into a line.
package visible
