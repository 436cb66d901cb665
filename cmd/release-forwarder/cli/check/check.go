package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/mapping"
)

// Command shows what would become of events; it sends nothing and contacts nothing.
type Command struct {
	Files  []string `arg:"" optional:"" name:"file" help:"Files to read. None: standard input."`
	At     string   `placeholder:"TIME" help:"Judge whether times are in the future as if now were TIME: RFC 3339, a date (UTC), or how long ago as 24h or 7d."`
	Lang   language `placeholder:"zh|en" help:"The language to print in. Without it the first of LC_ALL, LC_MESSAGES and LANG that is set decides."`
	JSON   bool     `name:"json" help:"Print one JSON object for each event, and behind several their summary."`
	Schema bool     `help:"Print the JSON Schema of an event and exit."`

	liveFlags
	mappingFlags
}

// liveFlags are those of a comparison, and of the live topic.
type liveFlags struct {
	Against   string `placeholder:"FILE" help:"Compare with another mapping file, or with built-in: count what would change, with examples."`
	FromTopic bool   `help:"Check the last records of KAFKA_TOPIC, without joining the group. Shows what would be dead letters; with -v all."`
	Last      int64  `default:"1000" placeholder:"N" help:"With --from-topic: N records, an equal share of each partition (default: 1000)."`
	Reveal    bool   `help:"Show plates, operators, free text and unknown names of live records and of examples as they are."`
}

// mappingFlags are those for events that are mapped by MAPPING_FILE.
type mappingFlags struct {
	Topic         string            `placeholder:"NAME" help:"Judge as if the events were in this topic, for profiles with when: topic."`
	Header        map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Judge as if each record had this header. May be given several times."`
	Key           string            `placeholder:"TEXT" help:"Judge as if each record had this key."`
	Verbose       bool              `short:"v" help:"Show for each field its sources, what was seen there, the rule and the result."`
	PrintMapping  bool              `help:"Print the mapping file of the built-in contract and exit."`
	MappingSchema bool              `help:"Print the JSON Schema of a mapping file and exit."`
}

// record is a value as the flags have its record.
func (f *mappingFlags) record(value []byte, at time.Time) *mapping.Record {
	return &mapping.Record{Topic: f.Topic, Key: []byte(f.Key), Value: value, Time: at, Headers: func(yield func(_, _ []byte) bool) {
		for _, name := range slices.Sorted(maps.Keys(f.Header)) {
			if !yield([]byte(name), []byte(f.Header[name])) {
				return
			}
		}
	}}
}

// Help implements kong's HelpProvider.
func (Command) Help() string {
	return `Prints for each event the request it would become: the parameters, the exact string to
sign with the secret redacted, and the signature where a secret is set. Or why it would
become a dead letter: the reason, then everything else that is wrong with it, and hints.
Both with the keys that are ignored, the fields that were probably meant by them, and
times and codes that are strange. It sends nothing.

Each line is one value. An object that begins in the first line and goes on in the next
is one value too, and so is a file whose name ends in .json. Behind several events stands
a summary: how many would be sent, refused or ignored, which profiles fit, which fields were
never set, and the names that nothing reads. A name that may be a value is shown as *.

A text with line ends or invisible characters is put into quotes and shown with
escapes, as "a\nb"; within quotes \\ is a backslash and \" a quote.

Exits 0 if every event could be sent, or is ignored. Exits 1 if any would be a dead letter,
if there is none, or if something cannot be read. Exits 2 if a setting is wrong, or FILE of
--against. With --against it exits 1 if an event that FILE sends would not be sent, whatever
else changes.

With MAPPING_FILE it maps the events by that file, and says of a wrong file each mistake
with its line and column, of its lookup files too. An event whose lot is not in the lookup
file would be held: it is named with the code, and counts as failed. --topic,
--header and --key say what a value alone does not.

With --from-topic it reads the last records of KAFKA_TOPIC by the KAFKA_ settings. It joins
no group and changes nothing; the user needs Read on the topic. Without --reveal it shows
mapped fields alone, plates, operators and free text as first character and length, and of
what else was seen the length. A record is judged at its timestamp, and a replayed one by
the topic in which its event was first.

With --against it prints no event by itself. It counts what changes from FILE: fields, newly
refused, newly ignored, newly sent. Of each change it shows up to 3 examples.

With --from-topic it reads the last records of KAFKA_TOPIC by the KAFKA_ settings. It joins
no group and changes nothing; the user needs Read on the topic. Without --reveal it shows
mapped fields alone, plates, operators and free text as first character and length, and of
what else was seen the length. A record is judged at its timestamp, and a replayed one by
the topic in which its event was first.

With --against it prints no event by itself. It counts what changes from FILE: fields, newly
refused, newly ignored, newly sent. Of each change it shows up to 3 examples.

Of the settings it uses only EVENT_TIMEZONE, EVENT_REQUIRED_FIELDS, MAPPING_FILE,
UPSTREAM_APP_ID, UPSTREAM_APP_SECRET, UPSTREAM_APP_SECRET_FILE and
UPSTREAM_CREDENTIALS_FILE, and needs none of them. It says which credential an event's
lot uses.

Example:

  echo '{"park_uuid":"p1","flow_no":"f1","parking_serial":"s1","plate":"粤B12345"}' | release-forwarder check

In Chinese; the form of an event (JSON Schema):

  release-forwarder check --lang zh event.json
  release-forwarder check --schema > event.schema.json

A mapping file tried on a lane's events; the built-in contract as such a file:

  MAPPING_FILE=vendor-a.yaml release-forwarder check -v --topic lanes-a events.txt
  release-forwarder check --print-mapping

What a new file would change for the live topic:

  MAPPING_FILE=new.yaml release-forwarder check --from-topic --against old.yaml`
}

// Run checks the files, or standard input.
func (c *Command) Run(stop console.Stopper, stdout *console.Output) error {
	lang := c.Lang.or(os.Getenv)
	for text, asked := range map[string]bool{schemaIn(lang): c.Schema, mapping.BuiltInFile(): c.PrintMapping, mapping.FileSchema(): c.MappingSchema} {
		if asked {
			_, err := io.WriteString(stdout, text)
			return lang.told(err)
		}
	}
	if c.FromTopic {
		return c.Do(stop, console.NewScreen(stop, stdout), nil)
	}
	return lang.told(c.check(stop, stdout))
}

func (c *Command) check(stop console.Stopper, stdout *console.Output) error {
	at, err := c.now()
	if err != nil {
		return err
	}
	s, _, err := settings.Load(settings.GroupEvent, settings.GroupCredential)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	k, err := newChecker(c, s, out)
	if err != nil {
		return err
	}
	k.at = at.In(s.Event.Location)
	k.in = stop.Input(os.Stdin)
	if err = k.files(c.Files); err == nil {
		k.end()
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return k.verdict(err)
}

// verdict is the error of a run that ended with err.
func (k *checker) verdict(err error) error {
	if err == nil && k.failed > 0 {
		return console.ErrSomeFailed
	}
	return err
}

// now is the time to judge by.
func (c *Command) now() (time.Time, error) {
	now := time.Now()
	at, err := console.Moment("--at", c.At, now)
	if c.At == "" {
		return now, err
	}
	return at, err
}

func newChecker(c *Command, s *settings.Settings, out *bufio.Writer) (*checker, error) {
	mapper, err := s.Event.Mapper()
	if err != nil {
		return nil, err
	}
	k := &checker{out: out, json: c.JSON, sum: newSummary(s.Event.File, mapper.Endpoint())}
	k.judge = judge{mapper: mapper, mappingFlags: c.mappingFlags, mapped: s.Event.File != nil, credential: s.Credential, book: s.Credential.Book(), reveal: c.Reveal, lang: c.Lang.or(os.Getenv)}
	k.at = time.Now().In(s.Event.Location)
	if c.Against != "" {
		old, err := againstMapper(c.Against, s.Event.Location)
		if err != nil {
			return nil, err
		}
		k.compared = newComparison(c.Against, old, mapper, c.Reveal)
	}
	return k, nil
}

// checker reads events and prints what is judged of each.
type checker struct {
	judge
	in           io.Reader // where no file is named
	out          *bufio.Writer
	json         bool
	sum          *summary
	compared     *comparison // with --against: no event is printed by itself
	seen, failed int
	printed      bool // something, for people
}

func (k *checker) files(names []string) error {
	if len(names) == 0 {
		return k.stream("", k.in)
	}
	for _, name := range names {
		if err := k.file(name); err != nil {
			return err
		}
	}
	return nil
}

// maxValue bounds what is read of one value: no record of Kafka's is so large by default, nor by far.
const maxValue = 16 << 20

func (k *checker) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if !strings.HasSuffix(name, ".json") {
		return k.stream(name, f)
	}
	value, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return err
	}
	k.value(place{input: name}, value)
	return nil
}

// value checks one value, which may be cut off behind maxValue.
func (k *checker) value(p place, value []byte) {
	if len(value) > maxValue {
		k.print(&report{place: p, Verdict: tooLarge})
		return
	}
	k.take(p, k.record(value, k.at))
}

// take judges a record.
func (k *checker) take(p place, rec *mapping.Record) {
	x := examine.Event(k.mapper, rec)
	k.sum.add(k.mapper, rec, x)
	if k.compared != nil {
		k.seen++
		if k.compared.add(p, rec, x) {
			k.failed++
		}
		return
	}
	r := k.report(p, rec, x)
	if k.hidden() {
		k.hide(r)
	}
	k.print(r)
}

// stream checks one value a line, as the lines come. An object that its first line only
// begins is one value; so is UTF-16, in which no byte ends a line.
func (k *checker) stream(name string, r io.Reader) error {
	in := bufio.NewReader(r)
	mark, _ := in.Peek(4) // what fails here fails again below
	wide := examine.EncodingOf(mark) == examine.UTF16
	head, err := firstLine(in)
	if err != nil {
		return unread(name, err)
	}
	rest := io.MultiReader(bytes.NewReader(head), in)
	if !wide && (len(head) > maxValue || !goesOn(head)) {
		return k.lines(name, rest)
	}
	all, err := io.ReadAll(io.LimitReader(rest, maxValue+1))
	switch {
	case err != nil:
		return unread(name, err)
	case wide || len(all) <= maxValue && isOneValue(all):
		k.value(place{input: name}, all)
	case len(all) <= maxValue && isSpread(all):
		k.print(&report{place: place{input: name}, Verdict: spread})
	default:
		return k.lines(name, io.MultiReader(bytes.NewReader(all), rest))
	}
	return nil
}

// goesOn reports whether what a first line begins goes on in the next: an object, or a list of them.
func goesOn(head []byte) bool {
	text := string(bytes.TrimSpace(head))
	return examine.ShapeOf(head) == examine.BegunObject || text == "[" || text == "[{"
}

// isSpread reports whether several objects are each spread over several lines, whatever is wrong in them.
func isSpread(all []byte) bool {
	opened, closed := 0, 0
	for line := range bytes.Lines(all) {
		switch {
		case examine.ShapeOf(line) == examine.WholeObject:
			return false
		case bytes.HasPrefix(line, []byte("{")):
			opened++
		case bytes.HasPrefix(line, []byte("}")):
			closed++
		}
	}
	return opened > 1 && closed > 1
}

// unread names the input that cannot be read. A file is named by its error.
func unread(name string, err error) error {
	if name != "" {
		return err
	}
	return fmt.Errorf("%s: %w", place{}, err)
}

// firstLine reads to the end of the first line that is not blank, or somewhat beyond maxValue.
func firstLine(in *bufio.Reader) (read []byte, err error) {
	begin := 0 // of the line
	for len(read) <= maxValue {
		part, err := in.ReadSlice('\n')
		read = append(read, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return read, nil
		case err != nil || len(bytes.TrimSpace(read[begin:])) > 0:
			return read, err
		default:
			begin = len(read)
		}
	}
	return read, nil
}

// isOneValue tells an object over several lines, whatever is wrong in it, from events of
// which the first is cut off.
func isOneValue(all []byte) bool {
	if examine.ShapeOf(all) == examine.WholeObject {
		return true
	}
	begun := 0
	for line := range bytes.Lines(all) {
		if bytes.HasPrefix(line, []byte("{")) {
			begun++
		}
		if examine.ShapeOf(line) == examine.WholeObject {
			return false
		}
	}
	return begun <= 1
}

// lines checks one value a line; blank lines are skipped.
func (k *checker) lines(name string, r io.Reader) error {
	in, before := bufio.NewReader(r), k.seen
	var line []byte
	for n := 1; ; n++ {
		var err error
		line, err = readLine(in, line[:0])
		if value := bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(value)) > 0 {
			k.value(place{name, n}, value)
		}
		switch {
		case errors.Is(err, io.EOF) && k.seen == before:
			k.print(&report{place: place{input: name}, Verdict: noEvent})
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unread(name, err)
		}
	}
}

// readLine appends a line with its end. Of one longer than maxValue the rest is skipped.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= maxValue {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// ending is what stands behind the events.
type ending struct {
	Summary  *summary    `json:"summary,omitempty"` // where there is more than one
	Compared *comparison `json:"compared,omitempty"`
}

func (k *checker) end() {
	e := ending{Compared: k.compared}
	if k.sum.Events > 1 {
		e.Summary = k.sum.closed(!k.hidden())
	}
	if k.json && e != (ending{}) {
		k.encode(e)
		return
	}
	if e.Summary != nil {
		k.gap()
		e.Summary.text(k.out, k.lang)
	}
	if e.Compared != nil {
		k.gap()
		e.Compared.text(k.out, k.lang)
	}
}

// gap prints a blank line between one thing and the next.
func (k *checker) gap() {
	if k.printed {
		fmt.Fprintln(k.out)
	}
	k.printed = true
}

// encode prints a line of JSON.
func (k *checker) encode(v any) {
	encoder := json.NewEncoder(k.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // the writer keeps its error
}

func (k *checker) print(r *report) {
	k.seen++
	if r.Verdict != willBeSent && r.Verdict != willBeIgnored {
		k.failed++
	}
	if k.json {
		r.Place = r.place.String()
		k.encode(r)
		return
	}
	k.gap()
	r.text(k.out, k.lang)
}
