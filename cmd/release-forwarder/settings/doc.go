// Package settings is the one place where the program's configuration is
// defined, read and judged.
//
// The struct [Settings] is the definition: the tags of its fields hold each
// setting's name, type, default, bounds and meaning. Everything else is derived
// from them: what [Load] accepts, what the `config` command prints
// ([Settings.Print], [Settings.PrintAll]), the table of docs/reference/settings.md ([Markdown]) and the check for
// mistyped names. A new setting is one new field.
//
// It promises that a Settings returned without an error is wholly right: values
// are within their bounds, fit one another, files exist and can be parsed.
// Whoever takes them need not check again. All mistakes are reported at once, in
// an [Invalid], and no text of this package ever holds a secret, a URL's query or a
// value that is wrong: it may be a secret in the wrong place.
//
// It contacts nothing: it reads the process's environment (by envconfig) and the
// files that the settings name. Reloading files that change later is package
// connect's job; the functions that say what a good file is ([ParseSecret],
// [ParseCA], [ParseKeyPair]) are here, so that both mean the same.
package settings

//go:generate go test . -run TestTheSettingsPageIsTheTable -update
