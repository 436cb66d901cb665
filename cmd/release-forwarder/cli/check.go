package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// CheckCommand shows what would become of events; it sends nothing and contacts nothing.
type CheckCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files with one value a line; a file ending in .json is one value. None: standard input."`
}

// Help implements kong's HelpProvider.
func (CheckCommand) Help() string {
	return `Prints for each event the request it would become, the exact string to sign with the
secret redacted, and the signature where a secret is set; or the reason for which it
would be dead-lettered. A text with line ends or invisible characters is put into
quotes and shown with escapes, as "a\nb"; within quotes \\ is a backslash and \" a quote. Sends nothing. Exits 0 if every event could be sent, 1
if any could not or a file cannot be read, 2 if a setting is wrong.

Of the settings it uses only EVENT_TIMEZONE, EVENT_REQUIRED_FIELDS, UPSTREAM_APP_ID,
UPSTREAM_APP_SECRET, UPSTREAM_APP_SECRET_FILE and UPSTREAM_CREDENTIALS_FILE, and
needs none of them. It says which credential an event's lot uses.

The form of an event is described by mapping/event.schema.json (JSON Schema).

Example:

  echo '{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1","plate":"粤B12345"}' | release-forwarder check`
}

// Run checks the files, or standard input.
func (c *CheckCommand) Run(stop console.Stopper, stdout *console.Output) error {
	s, _, err := settings.Load(settings.GroupEvent, settings.GroupCredential)
	if err != nil {
		return err
	}
	mapper, err := mapping.New(mapping.Config{Location: s.Event.Location, Required: s.Event.Required})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	k := &checker{mapper: mapper, settings: s.Credential, book: s.Credential.Book(), in: stop.Input(os.Stdin), out: out}
	err = k.files(c.Files)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err == nil && k.failed > 0 {
		err = console.ErrSomeFailed
	}
	return err
}

// checker checks events, one after the other.
type checker struct {
	mapper       *mapping.Mapper
	settings     settings.Credential
	book         *credential.Set
	in           io.Reader // where no file is named
	out          *bufio.Writer
	seen, failed int
}

func (k *checker) files(names []string) error {
	if len(names) == 0 {
		return k.lines("standard input", k.in)
	}
	for _, name := range names {
		if err := k.file(name); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) file(name string) error {
	if strings.HasSuffix(name, ".json") {
		value, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		k.event(name, value)
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return k.lines(name, f)
}

// lines checks one value a line; blank lines are skipped.
func (k *checker) lines(name string, r io.Reader) error {
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if value := bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(value)) > 0 {
			k.event(fmt.Sprintf("%s:%d", name, n), value)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func (k *checker) event(where string, value []byte) {
	if k.seen++; k.seen > 1 {
		fmt.Fprintln(k.out)
	}
	where = visible.Value(where)
	release, err := k.mapper.Map(value, time.Time{})
	if err != nil {
		k.failed++
		fmt.Fprintf(k.out, "%s: dead letter: %s\n  see mapping/event.schema.json for what an event must be\n", where, visible.Line(err.Error()))
		return
	}
	fmt.Fprintf(k.out, "%s: would be sent\n", where)
	credential, has := session.CredentialOf(k.book, k.settings, release.Lot())
	params := []upstream.Param{}
	if credential.AppID != "" {
		params = append(params, upstream.Param{Name: "app_id", Value: credential.AppID})
	}
	for name, text := range release.All() {
		params = append(params, upstream.Param{Name: name, Value: text})
	}
	for _, p := range params {
		fmt.Fprintf(k.out, "  %-15s %s\n", p.Name, visible.Value(p.Value))
	}
	for _, s := range release.Suspicions {
		fmt.Fprintf(k.out, "  suspicious      %s\n", s)
	}
	fmt.Fprintf(k.out, "  credential      %s\n", sourceWords(k.book.Source(release.Lot()), false))
	fmt.Fprintf(k.out, "  string to sign  %s\n", visible.Value(upstream.StringToSign(params, "***")))
	if has {
		fmt.Fprintf(k.out, "  sign            %s\n", upstream.Sign(params, credential.Secret.Reveal()))
	}
	if !credential.Next.IsZero() {
		fmt.Fprintf(k.out, "  sign, next      %s\n", upstream.Sign(params, credential.Next.Reveal()))
	}
}
